"""Span and trace ids that leave the application's ``random`` alone.

The SDK draws its ids from the global generator, so that a program which seeds it for its
experiment would get other numbers with tracing than without.
"""

from __future__ import annotations

from secrets import randbits

from opentelemetry.sdk.trace.id_generator import IdGenerator


class SystemIdGenerator(IdGenerator):
    """Draws from the operating system; also right in forked children."""

    def generate_span_id(self) -> int:
        """A 64-bit id, never zero."""
        return randbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """A 128-bit id, never zero."""
        return randbits(128) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """All bits are random, as the W3C's random flag promises."""
        return True
