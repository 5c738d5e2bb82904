"""Whether an experiment's figures can be believed; asked before any of them is read."""

from collections.abc import Sequence

from bandstand.report.collect import Collected
from bandstand.report.result import Arm, Check
from bandstand.stats.sample_ratio import sample_ratio

# GrowthBook's defaults: DEFAULT_MULTIPLE_EXPOSURES_THRESHOLD and …_ENOUGH_DATA_THRESHOLD in its shared/constants.ts.
_CROSSED_SHARE = 0.01
_CROSSED_UNITS = 10


def checks(collected: Collected, arms: Sequence[Arm], *, crossed: int) -> tuple[Check, ...]:
    found = [] if collected.experiment.method == "interleave" else [_ratio(arms), _crossed(collected, arms, crossed)]
    unseen = sum(not slate.shown for slate in collected.slates.values())
    if unseen:
        found.append(
            Check(
                "exposures",
                None,
                f"{unseen} of {len(collected.slates)} decisions wait for an exposure and do not count until then",
            )
        )
    if collected.experiment.learn_from == "all":
        found.append(
            Check(
                "own learning",
                None,
                'the variants learn from each other\'s traffic (learn_from = "all"), which blurs or even turns a '
                "difference between policies",
            )
        )
    return tuple(found)


def _ratio(arms: Sequence[Arm]) -> Check:
    counts = {arm.variant: arm.units for arm in arms}
    found = sample_ratio(counts, {arm.variant: arm.weight for arm in arms})
    fits = f"{' : '.join(map(str, counts.values()))} units fit the weights"
    return Check("sample ratio", found.ok, found.reason or f"{fits} (p = {found.p_value:.2g})")


def _crossed(collected: Collected, arms: Sequence[Arm], crossed: int) -> Check:
    unit = collected.experiment.unit
    total = crossed + sum(arm.units for arm in arms)
    if not crossed:
        return Check("one variant each", True, f"no {unit} saw more than one variant")
    many = crossed >= _CROSSED_UNITS and crossed > _CROSSED_SHARE * total
    text = f"{crossed} of {total} {unit}s saw more than one variant and are left out"
    why = "; find out why ids change sides before reading the results" if many else ""
    return Check("one variant each", not many, text + why)
