"""The result in a sentence."""

from collections.abc import Sequence

from bandstand.experiments.definition import Experiment
from bandstand.report.result import Check, Comparison, Outcome, Verdict


def verdict(experiment: Experiment, state: str, health: Sequence[Check], comparisons: Sequence[Comparison]) -> Verdict:
    """What the decision metrics say together, in the light of health and guardrails."""
    failing = [check for check in health if check.ok is False]
    if failing:
        return Verdict("withheld", f"Withheld: {failing[0].text}.")
    if state == "draft":
        return Verdict("waiting", "The experiment is a draft: start it to see results.")
    deciding = [one for one in comparisons if one.role == "decision"]
    told = [one for one in deciding if one.p_value is not None]
    if not told:
        return Verdict("waiting", f"Nothing can be told yet: {deciding[0].reason}")
    decisive = [one for one in told if one.p_adjusted is not None and one.p_adjusted < experiment.alpha]
    harmed = [one for one in comparisons if one.role == "guardrail" and one.high is not None and one.high < 0]
    sentences = [_sentence(one, decisive=one in decisive) for one in decisive or told]
    sentences += [f"Guardrail {one.metric} fell with '{one.variant}': {effect(one)}." for one in harmed]
    if state == "running":
        sentences.append("It is still running: the test holds for one look at the planned end.")
    winner = _winner(decisive, harmed)
    return Verdict(_outcome(winner, decisive), " ".join(sentences), winner)


def effect(one: Comparison) -> str:
    """The size of a computed difference with its interval: a lift where the control allows one, and of an interleaving
    the share of rewards that speak for the treatment.

    >>> effect(Comparison("click", "decision", "b", "a", lift=0.02, lift_low=-0.013, lift_high=0.053))
    '+2.0 % [-1.3 %, +5.3 %]'
    """
    if one.votes is not None:
        return _interval([one.difference, one.low, one.high], "{:.1%}", shift=0.5)
    if one.lift is not None:
        return _interval([one.lift, one.lift_low, one.lift_high], "{:+.1%}")
    return _interval([one.difference, one.low, one.high], "{:+.3g}")


def p_text(one: Comparison) -> str:
    """The p-value that decides, "" where there is none. Nobody needs the digits of a very small one."""
    shown = one.p_adjusted if one.p_adjusted is not None else one.p_value
    if shown is None:
        return ""
    return "< 1e-6" if shown < 1e-6 else f"{shown:.2g}"


def _interval(estimate: Sequence[float | None], form: str, *, shift: float = 0.0) -> str:
    value, low, high = (form.format((each or 0.0) + shift).replace("%", " %") for each in estimate)
    return f"{value} [{low}, {high}]"


def _sentence(one: Comparison, *, decisive: bool) -> str:
    p = f"p {'' if p_text(one).startswith('<') else '= '}{p_text(one)}"
    figures = f"{'wins ' if one.votes else ''}{effect(one)}, {p}{' (Holm)' if one.p_adjusted != one.p_value else ''}."
    if not decisive:
        return f"'{one.variant}' cannot be told from '{one.control}' on {one.metric}: {figures}"
    ahead = one.difference is not None and one.difference > 0
    return f"'{one.variant}' is {'ahead of' if ahead else 'behind'} '{one.control}' on {one.metric}: {figures}"


def _winner(decisive: Sequence[Comparison], harmed: Sequence[Comparison]) -> str | None:
    """The variant furthest ahead of those that are behind on nothing."""
    behind = {one.variant for one in (*decisive, *harmed) if one.difference is not None and one.difference < 0}
    ahead = [(one.difference, one.variant) for one in decisive if one.difference and one.variant not in behind]
    return max(ahead)[1] if ahead else None


def _outcome(winner: str | None, decisive: Sequence[Comparison]) -> Outcome:
    if winner is not None:
        return "ahead"
    if not decisive:
        return "open"
    return "behind" if all(one.difference is not None and one.difference < 0 for one in decisive) else "mixed"
