"""The sections of the page about how the policy came to be: learning, and everything needed to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from understudy.report.inputs import ReportInputs, SafetyScore, Stage, TrainingHistory
from understudy.report.learning import draw_learning_curve, draw_safety_curve
from understudy.report.markup import again, bars, definitions, figure, missing, section, table

__all__ = ["learning_section", "making_section"]


def learning_section(inputs: ReportInputs) -> str:
    """The learning curve and the safety classifier."""
    return section(
        "learning",
        "How it learned",
        f'<div class="grid">{_training(inputs.training)}{_safety(inputs.safety)}</div>',
    )


def _training(history: TrainingHistory | None) -> str:
    if history is None or not len(history.train_loss):
        return missing("No learning curve: this report was made from an evaluation without its training run.")
    sentence = "Both curves should fall; validation is on episodes that training never saw."
    if not len(history.validation_loss):
        sentence = "The curve should fall. There were too few episodes to keep some for validation."
    if history.samples_per_s is not None:
        sentence += f" {history.samples_per_s:,.0f} samples a second."
    return figure(draw_learning_curve("learning", history), "Learning curve", sentence)


def _safety(safety: SafetyScore | None) -> str:
    if safety is None:
        return missing("No scores of a safety classifier: the policy has none, or it was not evaluated.")
    sentence = _safety_in_words(safety)
    if len(safety.curve):
        return figure(draw_safety_curve("safety", safety), "Safety classifier", sentence)
    numbers = (
        (f"{safety.precision:.0%}", "precision"),
        (f"{safety.recall:.0%}", "recall"),
        (f"{safety.threshold:.2f}", "threshold"),
    )
    stats = "".join(f"<span><b>{value}</b>{label}</span>" for value, label in numbers)
    return (
        f'<div class="card"><h3>Safety classifier</h3><p class="stats">{stats}</p>'
        f'<figcaption><p style="margin-top:.8rem">{escape(sentence)}</p></figcaption></div>'
    )


def _safety_in_words(safety: SafetyScore) -> str:
    """What it looks for, and how little of that it finds."""
    limit = "" if safety.tau is None else f" ({safety.tau:.3g}, squared, in units of the actions' spread)"
    share = "" if safety.unsafe_share is None else f"; {safety.unsafe_share:.0%} of the validation frames do"
    words = f"A frame is unsafe if the policy differs from the expert by more than the limit τ{limit}{share}."
    words += (
        f" Of the frames that it calls unsafe {safety.precision:.0%} are (precision); of the unsafe ones it finds "
        f"{safety.recall:.0%} (recall)."
    )
    if safety.flagged_share is not None:
        few = safety.recall < 0.5
        finds = ", so it finds few of the frames that differ" if few else ""
        words += f" Set to flag about {_rough(safety.flagged_share)} of frames{finds}:"
        return f"{words} a tripwire, not a guarantee."
    return f"{words} It is a tripwire, not a guarantee."


def _rough(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def making_section(inputs: ReportInputs) -> str:
    """Durations, facts, episodes, and the command to repeat it all."""
    parts = []
    if inputs.command:
        parts.append(again(inputs.command))
    if inputs.chain:
        parts.append(
            "<p>Or the whole run step by step, all with the same <code>--workspace</code>. The options are those that "
            "the run still knows; what else it was given, such as disturbances and starts, may differ.</p>"
        )
        parts.append(f'<pre class="chain"><code>{escape(chr(10).join(inputs.chain))}</code></pre>')
    cards = [_stages(inputs.stages)] if inputs.stages else []
    cards += [definitions(title, facts) for title, facts in inputs.facts.items() if facts]
    if not cards:
        cards = [missing("Neither durations nor versions were handed to this report.")]
    parts.append(f'<div class="grid small">{"".join(cards)}</div>')
    parts.append('<div style="height:1rem"></div>')
    parts.append(_episodes(inputs))
    return section("making", "How it was made", *parts)


def _stages(stages: Sequence[Stage]) -> str:
    rows = [(stage.name, stage.seconds, _duration(stage.seconds)) for stage in stages]
    total = _duration(sum(stage.seconds for stage in stages))
    note = '<p class="note">Without the writing of this report.</p>'
    return f'<div class="card"><h3>Time by stage: {total} in all</h3>{bars(rows)}{note}</div>'


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def _episodes(inputs: ReportInputs) -> str:
    # An arm has no laps and takes no damage; what it did is in the table of the scenes.
    scored, grasps = inputs.evaluation.is_scored, inputs.grasps is not None
    drives = scored and not grasps
    rows = [
        (
            score.episode_id,
            *([score.track] if scored else []),
            f"{score.elapsed_s:.1f} s",
            *([f"{score.laps:.3g}"] if drives else []),
            *([] if scored else ["dry run" if trace.dry_run else "yes"]),
            *(str(score.ticks[driver]) for driver in ("policy", "expert", "halt")),
            str(len(score.hand_overs)),
            *([f"{score.damage:.3g}"] if drives else []),
            score.outcome or "–",
        )
        for trace, score in zip(inputs.evaluation.traces, inputs.evaluation.episodes, strict=True)
    ]
    first = ("episode", "track", "time", "laps") if drives else ("episode", "time", "commanded")
    first = ("episode", "scene", "time") if grasps else first
    last = ("changes of driver", "damage", "outcome") if drives else ("changes of driver", "outcome")
    return table(
        (*first, "policy ticks", "expert ticks", "halt ticks", *last),
        rows,
        caption="Every recorded episode of the deployment",
    )
