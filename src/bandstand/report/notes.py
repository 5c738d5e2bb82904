"""What else must be said with a report's figures: how they may be read, whether they last, what runs beside them."""

import msgspec

from bandstand.report.result import Check, Report


def allowed(report: Report) -> str:
    """A sentence; an interleaving has one look or any number of them."""
    rule = report.analysis
    method = "always-valid" if report.method == "interleave" and rule.method != "fixed" else rule.method
    acts = ", so the verdict may be acted upon at any time"
    return {
        "always-valid": f"The intervals hold at every look{acts if _open(report) else ''}.",
        "fixed": f"A fixed test: it holds for one look, when {rule.units:,} {report.unit}s took part.",
        "group-sequential": f"{rule.looks} looks, planned on the way to {rule.units:,} {report.unit}s; each "
        "difference is that of the look which decided it, else of the latest.",
        "bayesian": "Credible intervals: to look often and stop when it pleases finds what is not there.",
    }[method]


def _open(report: Report) -> bool:
    """Whether there is a verdict that still can be acted upon."""
    return report.state in ("running", "stopped") and report.verdict.outcome != "broken"


def votes(report: Report) -> list[str]:
    """Of an interleaving: who won how many slates and whose users, and what its coins alone say of that."""
    looks = "one look" if report.analysis.method == "fixed" else "every look"
    found = []
    for one in report.comparisons:
        if one.votes is not None:
            said = one.votes
            text = f"{one.metric}, {one.variant}: won {said.win_rate:.1%} of {said.impressions:,} rewarded slates, "
            text += f"preferred by {said.users_for_treatment:,} {report.unit}s, the control by "
            text += f"{said.users_for_control:,}"
            if said.coins_p_value is not None:
                text += f"; by the coins alone p = {said.coins_p_value:.2g} (exact, for {looks})"
            found.append(text.replace("%", " %"))
    return found


def of_frozen(report: Report) -> Report:
    """The report's frozen group as a report of its own, for whoever writes its figures."""
    found = report.frozen
    assert found is not None
    return msgspec.structs.replace(
        report, health=found.health, variants=found.variants, comparisons=found.comparisons, frozen=None
    )


def lasting(report: Report) -> list[str]:
    """Effects that change with the days since a unit's first exposure, or why that cannot be told."""
    return list(dict.fromkeys(one.text for one in report.novelty if one.change is not None or not one.days))


def steady(report: Report) -> list[str]:
    """What there is to say of effects that are not known to change, to whoever asked for the history."""
    if report.method != "ab":
        return ["Whether an effect lasts is told of A/B tests only."]
    early = (
        f"Whether effects last cannot be told: half of the {report.unit}s, and 100 of each variant, must have been "
        "there for three days; quantiles and retention are not followed."
    )
    return [one.text for one in report.novelty if one.change is None and one.days] or (
        [] if report.novelty else [early]
    )


def beside(report: Report) -> list[Check]:
    """What other experiments do to this one, as health is written; nothing where it was not asked."""
    if report.interactions is None:
        return []
    if not report.interactions:
        return [Check("beside", True, "no other experiment split these units meanwhile")]
    return [Check(f"beside '{one.other}'", one.ok, one.text.rstrip(".")) for one in report.interactions]
