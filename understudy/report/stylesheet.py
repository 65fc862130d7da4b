"""The page's style sheet. Colours come from the palette that the plots use, so both follow light, dark and paper."""

from __future__ import annotations

from understudy.report.style import PALETTE

__all__ = ["stylesheet"]

_RULES = """
* { box-sizing: border-box }
html { color-scheme: light dark; -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif }
main, header, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem }
header { padding-top: 2.5rem }
.brand { margin: 0; color: var(--muted); font-size: .8125rem; letter-spacing: .14em; text-transform: uppercase }
h1 { margin: .15rem 0 .5rem; font-size: clamp(1.75rem, 4.5vw, 2.5rem); line-height: 1.15; letter-spacing: -.02em;
  text-wrap: balance }
.lead { margin: 0; max-width: 46rem; font-size: 1.125rem; color: var(--muted); text-wrap: pretty }
nav { margin: 1.1rem 0 0 }
nav ul, .key { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 0; padding: 0; list-style: none;
  font-size: .875rem }
a { color: var(--policy); text-decoration-thickness: 1px; text-underline-offset: .2em }
section { margin: 2.75rem 0 0; scroll-margin-top: 1rem }
h2 { margin: 0 0 .35rem; font-size: 1.375rem; line-height: 1.25; letter-spacing: -.01em }
h3 { margin: 0; font-size: 1rem; line-height: 1.35 }
section > p { margin: 0 0 .9rem; max-width: 46rem; color: var(--muted) }
.card { margin: 0; padding: 1.1rem 1.2rem; background: var(--card); border: 1px solid var(--grid);
  border-radius: .75rem; min-width: 0 }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)) }
.grid > .card:only-child { max-width: 46rem }
.grid.maps, .grid.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)) }
.stack { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) }
.tiles { display: grid; gap: .75rem; margin-top: 1.75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 11.5rem), 1fr)) }
.tile { padding: .9rem 1rem .8rem; background: var(--card); border: 1px solid var(--grid); border-radius: .75rem;
  border-top: 3px solid var(--faint) }
.tile p { margin: 0 }
.tile .label { font-size: .875rem; color: var(--muted); line-height: 1.3 }
.tile .value { margin: .2rem 0 .3rem; font-size: 2rem; line-height: 1.15; font-weight: 650; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums }
.tile .goal { display: flex; flex-wrap: wrap; gap: 0 .5rem; font-size: .8125rem; color: var(--muted) }
.tile .mark { font-weight: 650 }
.tile.met { border-top-color: var(--good) } .tile.met .mark { color: var(--good) }
.tile.failed { border-top-color: var(--bad) } .tile.failed .mark { color: var(--bad) }
figcaption p { margin: .1rem 0 .7rem; font-size: .9375rem; line-height: 1.45; color: var(--muted); text-wrap: pretty }
svg text { white-space: pre }
figure svg { display: block; width: 100%; height: auto }
.scroll { overflow-x: auto }
.key { color: var(--muted) }
section > .key { margin-bottom: .9rem }
.key li { display: flex; align-items: center; gap: .45rem }
.key span { width: 1.1rem; height: .3rem; border-radius: .15rem }
.film { display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1.55fr) minmax(0, 1fr); align-items: center }
.film img { display: block; width: 100%; height: auto; border-radius: .5rem; background: var(--road) }
.film dl { margin: .6rem 0 0; font-size: .9375rem }
.film dt { font-weight: 600; margin-top: .5rem }
.film dd { margin: 0; color: var(--muted) }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; font-variant-numeric: tabular-nums }
caption { text-align: left; padding-bottom: .5rem; color: var(--muted) }
th, td { padding: .45rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid) }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
td:last-child, th:last-child { padding-right: 0 }
thead th { font-weight: 500; color: var(--muted); vertical-align: bottom; white-space: normal; font-size: .8125rem;
  line-height: 1.3 }
tbody th { font-weight: 600 }
.grid tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 6.5rem }
tbody tr:last-child > * { border-bottom: 0 }
.total > * { border-top: 2px solid var(--faint); font-weight: 650 }
.bars { max-width: 44rem; display: grid; grid-template-columns: auto minmax(4rem, 1fr) auto; gap: .4rem .8rem;
  align-items: center;  margin: .6rem 0 0; font-size: .9375rem; font-variant-numeric: tabular-nums }
.bars .bar { height: .6rem; border-radius: .3rem; background: var(--policy); min-width: 2px }
.bars .number { text-align: right; color: var(--muted) }
.note { margin: .6rem 0 0; font-size: .8125rem; color: var(--muted) }
.facts dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem 1rem; margin: .6rem 0 0;
  font-size: .875rem }
.facts dt { color: var(--muted) }
.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
.stats { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .5rem 0 0; font-size: .875rem; color: var(--muted) }
.stats b { display: block; font-size: 1.5rem; line-height: 1.2; color: var(--ink); font-variant-numeric: tabular-nums }
.missing { padding: .8rem 1rem; border: 1px dashed var(--faint); border-radius: .75rem; color: var(--muted);
  font-size: .9375rem }
.chain { margin: -.4rem 0 1rem; padding: .8rem 1rem; overflow-x: auto; background: var(--card);
  border: 1px solid var(--grid); border-radius: .75rem }
code { font: .875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere }
footer { margin-top: 3rem; padding-bottom: 2.5rem; font-size: .875rem; color: var(--muted) }
@media (max-width: 46rem) {
  .film { grid-template-columns: minmax(0, 1fr) }
  .card { padding: .9rem .9rem }
  figure.wide svg { min-width: 44rem }
  tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 6.5rem }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)) }
  .tile .value { font-size: 1.6rem }
  .tile:last-child:nth-child(odd) { grid-column: 1 / -1 }
}
@media print {
  body { font-size: 10.5pt }
  nav { display: none }
  section, figure, .card, .tile { break-inside: avoid }
  section { margin-top: 1.6rem }
  main, header, footer { max-width: none; padding: 0 }
  .grid { grid-template-columns: 1fr 1fr }
}
"""


def stylesheet() -> str:
    """CSS with the palette for light mode, dark mode and print."""
    light = ";".join(f"--{name}:{colours[0]}" for name, colours in PALETTE.items())
    dark = ";".join(f"--{name}:{colours[1]}" for name, colours in PALETTE.items())
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{color-scheme:light}}}}\n{_RULES}"
    )
