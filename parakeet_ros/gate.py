"""When the recognizer must not listen: switched off, or while the robot itself speaks. No ROS."""


class Gate:
    """
    Decide for each chunk of audio whether it is heard.

    :param tail_s: seconds of audio that are not heard after the robot has stopped speaking, for
        the echo of the room and the delay of the loudspeaker. They are counted from the chunk in
        which it stopped, as that was recorded while it spoke, for all that is known.
    """

    def __init__(self, tail_s: float) -> None:
        self.tail_s = tail_s
        self.enabled = True
        self.ignored_s = 0.0  # audio that was not heard
        self._robot_speaks = False
        self._tail_left_s = 0.0
        self._stops = False  # in the chunk that comes next

    @property
    def closed_by(self) -> str:
        """Return why nothing is heard at present, empty if it is."""
        if not self.enabled:
            return 'disabled'
        if self._robot_speaks:
            return 'robot speaks'
        return 'tail of robot speech' if self._stops or self._tail_left_s > 0 else ''

    def set_robot_speaks(self, speaks: bool) -> None:
        """Be told whether the robot speaks; the tail begins when it stops."""
        if self._robot_speaks and not speaks:
            self._tail_left_s = self.tail_s
            self._stops = True
        self._robot_speaks = speaks

    def passes(self, duration_s: float) -> bool:
        """Return whether a chunk of that length is heard, and count it if it is not."""
        if not self.closed_by:
            return True
        if not self._robot_speaks:
            if not self._stops:
                self._tail_left_s = max(0.0, self._tail_left_s - duration_s)
            self._stops = False
        self.ignored_s += duration_s
        return False
