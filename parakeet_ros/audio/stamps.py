"""Stamps against samples: what is missing between two chunks, and what is only jitter."""
import math

NS_PER_S = 1_000_000_000

# Drivers that stamp on arrival jitter by 20 ms either way, so two stamps may disagree by 40 ms;
# a lost chunk of 50 ms is seen at once, shorter ones when they have added up.
JITTER_NS = 45_000_000
# Sound cards run up to some 200 ppm fast or slow; the line follows five times that.
DRIFT_PPM = 1_000
# A stamp that lies far before the end of the audio is believed when all stamps of so long do: one
# that is only wrong by itself would make the next good one look like a gap.
PATIENCE_S = 0.5
# Audio without stamps is timed by its samples; lost messages may make that so late, a backlog that
# came at once or a clock that was set back so early.
UNSTAMPED_TOLERANCE_NS = 1_000_000_000
# The lead of samples on their arrivals grows while a backlog comes, or a replay faster than real
# time plays; one that has not grown for so much audio stays.
LASTING_LEAD_S = 3.0


class StampLine:
    """
    Follow the stamps of one stretch of audio: which time the next sample should have.

    The line advances with the samples and leans slowly towards the stamps. It settles on their
    median, so that jitter leaves it where it is while the drift of the sound card moves it. It
    knows no clock but the stamps: the same chunks give the same answers.
    """

    def __init__(self, sample_rate: int) -> None:
        """Start without a stamp; the rate is in Hz."""
        self._sample_rate = sample_rate
        self._sample: int | None = None
        self._time_ns = 0  # of _sample
        self._early_from: int | None = None  # first sample of the chunks with early stamps
        self._lead: tuple[float, int] | None = None  # since which sample, and of how many ns

    def expected_ns(self, sample: int) -> int | None:
        """Return the time that a sample should have, None before the first stamp."""
        if self._sample is None:
            return None
        return self._time_ns + (sample - self._sample) * NS_PER_S // self._sample_rate

    def restart(self, sample: int, stamp_ns: int) -> None:
        """Go on from a sample and its time, whatever came before."""
        self._sample, self._time_ns = sample, stamp_ns
        self._early_from = self._lead = None

    def follow(self, sample: int, stamp_ns: int) -> int:
        """
        Take the stamp of the chunk that begins with `sample`; return how late it is.

        :returns: the time in ns that is missing between the last chunk and this one, 0 where the
            stamp agrees with the samples; negative where it lies before their end.
        """
        expected_ns = self.expected_ns(sample)
        if expected_ns is None:
            self.restart(sample, stamp_ns)
            return 0
        late_ns = stamp_ns - expected_ns
        if late_ns < -JITTER_NS and self._is_passing(sample):
            return 0
        if abs(late_ns) > JITTER_NS:
            self.restart(sample, stamp_ns)
            return late_ns
        lean_ns = (expected_ns - self._time_ns) * DRIFT_PPM // 1_000_000
        self.restart(sample, expected_ns + min(max(late_ns, -lean_ns), lean_ns))
        return 0

    def is_astray(self, sample: int, arrival_ns: int, last_arrival_ns: int | None) -> bool:
        """
        Take the arrival of a chunk without a stamp; return whether counting samples went astray.

        It has where the arrival is late, since audio was lost, and where it is early since the
        clock went back, or has been so for long.
        """
        expected_ns = self.expected_ns(sample)
        if expected_ns is None:
            return True
        lead_ns = expected_ns - arrival_ns
        if lead_ns < UNSTAMPED_TOLERANCE_NS:
            self._lead = None
            return lead_ns <= -UNSTAMPED_TOLERANCE_NS
        if last_arrival_ns is not None and (
                last_arrival_ns - arrival_ns >= UNSTAMPED_TOLERANCE_NS):
            self._lead = -math.inf, lead_ns
        elif self._lead is None or lead_ns > self._lead[1] + JITTER_NS:
            self._lead = sample, lead_ns
        return sample - self._lead[0] >= LASTING_LEAD_S * self._sample_rate

    def _is_passing(self, sample: int) -> bool:
        """Return whether early stamps may still turn out to be wrong."""
        if self._early_from is None:
            self._early_from = sample
        return sample - self._early_from < PATIENCE_S * self._sample_rate
