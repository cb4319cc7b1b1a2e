"""
The command ``parakeet-ros``: the engine for people who never use ROS.

A file per verb, with ``add_parser`` and ``run``.  Torch is imported by ``run``, not before: help
and wrong usage must not wait for it.
"""
