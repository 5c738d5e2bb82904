"""The result in a sentence: ship, stop, keep running or broken, by the rule that was written down beforehand."""

from collections.abc import Sequence

from bandstand.experiments.definition import Experiment
from bandstand.report.gathered import Life
from bandstand.report.result import Arm, Check, Comparison, Report, Verdict


def verdict(life: Life, health: Sequence[Check], comparisons: Sequence[Comparison], *, units: int) -> Verdict:
    """What the decision metrics say together, in the light of health and guardrails, of so many `units` in all; and of
    an experiment that was shipped, whether that is what they say."""
    found = _by_rule(life, health, comparisons, units=units)
    return found if life.winner is None else _shipped(found, life.winner, life.experiment.variants[0].name)


def concluded(
    life: Life, health: tuple[Check, ...], variants: tuple[Arm, ...], comparisons: tuple[Comparison, ...], *, units: int
) -> Report:
    """The report that these figures of so many `units` make, with its verdict."""
    experiment = life.experiment
    return Report(
        experiment=experiment.name,
        hypothesis=experiment.hypothesis,
        surface=", ".join(experiment.on),
        method=experiment.method,
        unit=experiment.unit,
        alpha=experiment.alpha,
        analysis=experiment.analysis,
        state=life.state,
        winner=life.winner,
        since=life.since,
        until=life.until,
        at=life.at,
        as_of=life.as_of,
        verdict=verdict(life, health, comparisons, units=units),
        health=health,
        variants=variants,
        comparisons=comparisons,
    )


def _by_rule(life: Life, health: Sequence[Check], comparisons: Sequence[Comparison], *, units: int) -> Verdict:
    failing = [check for check in health if check.ok is False]
    if failing:
        return Verdict("broken", f"Broken, no verdict: {failing[0].text}.")
    if life.state == "draft":
        return Verdict("draft", "The experiment is a draft: start it to see results.")
    alarms = [one for one in comparisons if one.alarm]
    if alarms and {one.variant for one in alarms} == set(_treatments(comparisons)):
        return Verdict("stop", f"Stop, keep '{alarms[0].control}': {' '.join(map(harm, alarms))}")
    deciding = [one for one in comparisons if one.role == "decision"]
    told, over = [one for one in deciding if one.told], _over(life, units)
    if not told and over is not None:
        return Verdict(
            "stop", f"Stop, keep '{deciding[0].control}': {over}, and nothing can be told. {deciding[0].reason}"
        )
    if not told:
        return Verdict("keep running", f"Keep running: nothing can be told yet. {deciding[0].reason}")
    if life.experiment.analysis.method == "fixed" and over is None:
        early = (
            f"{units:,} of the planned {life.experiment.analysis.units:,} {life.experiment.unit}s took part, and a "
            "fixed test holds for one look, at the end."
        )
        return Verdict(
            "keep running", f"Keep running: {early} {' '.join(_standing(life.experiment, one) for one in told)}"
        )
    return _ruled(life.experiment, told, comparisons, over=over)


def _shipped(rule: Verdict, winner: str, control: str) -> Verdict:
    """What was done, and whether by the rule."""
    head, _, why = rule.text.partition(": ")
    if rule.outcome == "broken":
        return Verdict("broken", f"Broken, no verdict, though '{winner}' was shipped: {why}")
    wanted = rule.variant or control
    if rule.outcome in ("ship", "stop") and wanted == winner:
        return Verdict("ship", f"Shipped '{winner}', as the rule says: {why}", winner)
    return Verdict(rule.outcome, f"Shipped '{winner}' by hand, against the rule ({_lower(head)}): {why}", rule.variant)


def _ruled(
    experiment: Experiment, told: Sequence[Comparison], comparisons: Sequence[Comparison], *, over: str | None
) -> Verdict:
    guards = [one for one in comparisons if one.role == "guardrail"]
    decisive = [one for one in told if one.significant]
    candidates = [name for name in _treatments(comparisons) if _wins(experiment, name, decisive, guards)]
    reasons = [_sentence(one) for one in decisive] + [harm(one) for one in guards if _harmed(one)]
    if candidates:
        best = max(candidates, key=lambda name: max(one.better_by for one in decisive if one.variant == name))
        return Verdict("ship", f"Ship '{best}': {' '.join(_sentence(one) for one in decisive)}{_safe(guards)}", best)
    if all(_lost(experiment, name, told, guards) for name in _treatments(comparisons)):
        shown = reasons or [_standing(experiment, one) for one in told]
        return Verdict("stop", f"Stop, keep '{told[0].control}': {' '.join(shown)}")
    waiting = [one for one in guards if one.margin is not None and not one.safe and not _harmed(one)]
    doubts = [f"Guardrail {one.metric} is not yet shown to lose less than {_percent(one.margin)}." for one in waiting]
    shown = reasons + [_standing(experiment, one) for one in told if one not in decisive] + (doubts if decisive else [])
    if over is not None:
        return Verdict(
            "stop", f"Stop, keep '{told[0].control}': {over}, and the rule for shipping is not met. {' '.join(shown)}"
        )
    return Verdict("keep running", f"Keep running: {' '.join(shown)}")


def harm(one: Comparison) -> str:
    """What happened to a guardrail that got worse."""
    if not one.told:  # the alarm does not wait for the method's first look
        return f"Guardrail {one.metric} got worse with '{one.variant}'."
    verb = "fell" if (one.difference or 0.0) < 0 else "rose"
    return f"Guardrail {one.metric} {verb} with '{one.variant}': {effect(one)}."


def effect(one: Comparison) -> str:
    """The size of a computed difference with its interval: as a lift where the control allows one and its interval does
    not differ on 0; of an interleaving the share of rewards that speak for the treatment.

    >>> effect(Comparison("click", "decision", "b", "a", lift=0.02, lift_low=-0.013, lift_high=0.053))
    '+2.0 % [-1.3 %, +5.3 %]'
    """
    if one.votes is not None:
        return _interval([one.difference, one.low, one.high], "{:.1%}", shift=0.5)
    if one.by_lift:
        return _interval([one.lift, one.lift_low, one.lift_high], "{:+.1%}")
    return _interval([one.difference, one.low, one.high], "{:+.3g}")


def p_text(one: Comparison) -> str:
    """The p-value that decides, "" where there is none. Nobody needs the digits of a very small one."""
    if one.chance_to_win is not None:  # what is not certain is not rounded to it either
        rounded = f"{min(max(one.chance_to_win, 0.001), 0.999):.1%}".replace("%", " %")
        return f"wins {'< ' if one.chance_to_win < 0.001 else '> ' if one.chance_to_win > 0.999 else ''}{rounded}"
    shown = one.p_adjusted if one.p_adjusted is not None else one.p_value
    if shown is None or one.role == "guardrail":  # whose test is another one: of harm, or of the margin
        return ""
    return "< 1e-6" if shown < 1e-6 else f"{shown:.2g}"


def last_column(report: Report) -> str:
    """How the column of `p_text` is headed."""
    return "wins" if report.analysis.method == "bayesian" and report.method == "ab" else "p"


def role(report: Report, metric: str) -> str:
    """What the metric is there for, and of a guardrail, how it stands."""
    about = [one for one in report.comparisons if one.metric == metric]
    margin = about[0].margin
    unsaid = report.verdict.outcome == "broken" or not any(one.told for one in about)
    if not unsaid and any(map(_harmed, about)):
        return "guardrail: harmed"
    if about[0].role != "guardrail" or unsaid:
        return about[0].role
    if margin is None:
        return "guardrail: no harm shown"
    held = all(one.safe for one in about)
    return f"guardrail: {'' if held else 'not yet '}shown to lose less than {_percent(margin)}"


def reasons(report: Report) -> list[str]:
    """Why figures are missing, each reason once, with all metrics that it holds for."""
    if report.state == "draft":
        return []
    about: dict[str, list[str]] = {}
    for one in report.comparisons:
        subject, _, why = (one.reason or "").partition(": ")
        if why:
            about.setdefault(why, []).append(subject)
    return [f"{'; '.join(subjects)}: {why}" for why, subjects in about.items() if why not in report.verdict.text]


def _over(life: Life, units: int) -> str | None:
    """Why no more is to come, None while it is: what was planned beforehand has come or passed, or it was ended."""
    rule, days = life.experiment.analysis, life.experiment.duration_days
    if life.state != "running":
        return "it ended"
    if rule.method in ("fixed", "group-sequential") and units >= rule.units:
        return "the planned units have come"
    if days is not None and life.days >= days:
        return f"its {days:g} {'day is' if days == 1 else 'days are'} over"
    return None


def _treatments(comparisons: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(one.variant for one in comparisons))


def _wins(experiment: Experiment, name: str, decisive: Sequence[Comparison], guards: Sequence[Comparison]) -> bool:
    """Ahead on a decision metric, behind on none, no guardrail harmed, and each with a margin shown to be safe."""
    own = [one for one in decisive if one.variant == name]
    if not own or any(one.better_by < 0 for one in own):
        return False
    if any(one.risk is not None and one.risk > experiment.analysis.accepted_loss for one in own):
        return False
    kept = [one for one in guards if one.variant == name]
    return not any(_harmed(one) or (one.margin is not None and not one.safe) for one in kept)


def _lost(experiment: Experiment, name: str, told: Sequence[Comparison], guards: Sequence[Comparison]) -> bool:
    """Harms a guardrail, is behind on a decision metric, or can no longer reach the least effect worth having."""
    own = [one for one in told if one.variant == name]
    if any(_harmed(one) for one in guards if one.variant == name):
        return True
    if any(one.significant and one.better_by < 0 for one in own):
        return True
    least = experiment.analysis.minimum_effect
    return bool(own) and least is not None and all(_at_most(one) < least for one in own)


def _at_most(one: Comparison) -> float:
    """The greatest improvement that the interval allows, as a lift."""
    if one.lift_low is None or one.lift_high is None:
        return float("inf")
    return -one.lift_low if one.better == "lower" else one.lift_high


def _interval(estimate: Sequence[float | None], form: str, *, shift: float = 0.0) -> str:
    value, low, high = (form.format((each or 0.0) + shift).replace("%", " %") for each in estimate)
    return f"{value} [{low}, {high}]"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.3g} %"


def _figures(one: Comparison) -> str:
    p = p_text(one)
    if one.chance_to_win is None and p:
        p = f"p {'' if p.startswith('<') else '= '}{p}"
    corrected = " (corrected)" if one.p_adjusted is not None and one.p_adjusted != one.p_value else ""
    look = "" if one.look is None else f", at look {one.look}"
    risk = "" if one.risk is None else f", expected loss {_loss(one, one.risk)}"
    return f"{'wins ' if one.votes else ''}{effect(one)}{', ' if p else ''}{p}{corrected}{risk}{look}"


def _loss(one: Comparison, risk: float) -> str:
    """As a share of the control where there is a lift."""
    if one.lift is None:
        return f"{risk:.2g}"
    return "< 0.01 %" if risk < 1e-4 else f"{100 * risk:.2g} %"


def _sentence(one: Comparison) -> str:
    side = "ahead of" if one.better_by > 0 else "behind"
    return f"'{one.variant}' is {side} '{one.control}' on {one.metric}: {_figures(one)}."


def _standing(experiment: Experiment, one: Comparison) -> str:
    if one.significant:
        return _sentence(one)
    if one.p_adjusted is not None and one.p_value is not None and one.p_value < experiment.alpha:
        side = "ahead of" if one.better_by > 0 else "behind"
        return (
            f"'{one.variant}' would be {side} '{one.control}' on {one.metric} if that were asked alone (p = "
            f"{one.p_value:.2g}), but not among all decision comparisons, which share α by "
            f"'{experiment.analysis.correction}': {_figures(one)}."
        )
    return f"'{one.variant}' cannot be told from '{one.control}' on {one.metric}: {_figures(one)}."


def _harmed(one: Comparison) -> bool:
    return bool(one.harmed or one.alarm)


def _safe(guards: Sequence[Comparison]) -> str:
    return " The guardrails hold." if guards else ""
