"""
Publishers and subscriptions without rclpy's event handlers.

By default each has two, which warn of peers with incompatible settings or types. The node says
more of publishers of audio, or adapts to them (`audio_topics.py`), and listeners to the text are
warned by their own side. Each handler costs the executor time whenever it waits: with 32
microphones 2.4 ms instead of 0.2.
"""

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

NO_OUTPUT_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
NO_INPUT_EVENTS = SubscriptionEventCallbacks(use_default_callbacks=False)
