"""What a report keeps back where a health check fails: all that somebody could act upon."""

import msgspec

from bandstand.report.result import Beside, Comparison, Promised, Report

SAID = "The figures below cannot be trusted until this is repaired; nothing is decided from them."


def withheld(report: Report) -> Report:
    """As it is where it is sound; else no comparison says what is significant, harmed or safe, nor how it changes, and
    no promise whether it was kept."""
    if report.verdict.outcome != "broken":
        return report
    frozen = report.frozen
    if frozen is not None:
        frozen = msgspec.structs.replace(frozen, comparisons=tuple(map(undecided, frozen.comparisons)))
    return msgspec.structs.replace(
        report,
        comparisons=tuple(map(undecided, report.comparisons)),
        segments=tuple(msgspec.structs.replace(one, comparison=undecided(one.comparison)) for one in report.segments),
        novelty=(),
        promised=None if report.promised is None else _uncalled(report.promised),
        frozen=frozen,
    )


def _uncalled(promised: Promised) -> Promised:
    def beside(one: Beside | None) -> Beside | None:
        return None if one is None else Beside(one.promised, one.measured)

    rows = (
        msgspec.structs.replace(one, value=beside(one.value), difference=beside(one.difference), lift=beside(one.lift))
        for one in promised.rows
    )
    return msgspec.structs.replace(promised, rows=tuple(rows))


def undecided(one: Comparison) -> Comparison:
    """Its figures without what they would mean."""
    return msgspec.structs.replace(one, significant=None, harmed=None, safe=None)
