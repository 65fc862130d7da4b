"""How the policy and its safety classifier learned."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from understudy.report.inputs import SafetyScore, TrainingHistory
from understudy.report.labels import label_ends
from understudy.report.style import new_figure, quiet_axes, role, styled, to_svg

__all__ = ["draw_learning_curve", "draw_safety_curve"]

_SIZE_PX = (450, 290)
_MARGIN = 0.16  # of the height below and above the curves: "kept" stands there, clear of the axis
_LOG_RATIO = 15  # from this ratio of largest to smallest loss a logarithmic axis shows more than it hides


def draw_learning_curve(name: str, history: TrainingHistory) -> str:
    """SVG of training and validation loss over epochs, with the epoch that was kept."""
    curves = [("training", "muted", history.train_loss), ("validation", "policy", history.validation_loss)]
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        values = np.array([*history.train_loss, *history.validation_loss], dtype=np.float64)
        positive = values[np.isfinite(values) & (values > 0)]
        if len(positive) and len(positive) == len(values) and positive.max() / positive.min() > _LOG_RATIO:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_minor_locator(NullLocator())
        ends = []
        for label, colour, losses in curves:
            if not len(losses):
                continue
            epochs = np.arange(1, len(losses) + 1)
            axes.plot(epochs, losses, color=role(colour), marker="o" if len(losses) == 1 else "")
            if np.isfinite(losses[-1]):
                ends.append((label, colour, float(epochs[-1]), float(losses[-1])))
        kept = history.validation_loss if len(history.validation_loss) else history.train_loss
        if history.best_epoch is not None and history.best_epoch < len(kept):
            best = history.best_epoch
            axes.plot(
                best + 1, kept[best], marker="o", markersize=7, color=role("policy"), markerfacecolor=role("card")
            )
            axes.annotate(
                "kept",
                (best + 1, kept[best]),
                xytext=(0, -8),
                textcoords="offset points",
                ha="center",
                va="top",
                color=role("ink"),
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(history.loss_name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(left=0.5)
        axes.margins(y=_MARGIN)
        quiet_axes(axes)
        label_ends(axes, ends)
        return to_svg(figure, name, "Training and validation loss over epochs")


def draw_safety_curve(name: str, safety: SafetyScore) -> str:
    """SVG of the classifier's precision and recall over the threshold, with the one that the gate uses."""
    curve = np.array(safety.curve, dtype=np.float64).reshape(-1, 3)
    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        ends = []
        for label, colour, column, value in (
            ("precision", "muted", 1, safety.precision),
            ("recall", "policy", 2, safety.recall),
        ):
            axes.plot(curve[:, 0], curve[:, column], color=role(colour))
            axes.plot(safety.threshold, value, "o", color=role(colour), markerfacecolor=role("card"), markersize=7)
            ends.append((label, colour, float(curve[-1, 0]), float(curve[-1, column])))
        axes.axvline(safety.threshold, color=role("bad"), linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.08)
        axes.set_yticks([0, 0.5, 1], ["0", "50", "100%"])
        axes.set_xlabel("threshold on the unsafe probability")
        quiet_axes(axes)
        label_ends(axes, ends)
        return to_svg(figure, name, "Precision and recall over the threshold")
