"""Draws the measured ratios as SVG: a bar for the median, a dot for each run."""

import html

from page import compared, known, number, ratio as shown, verdict
from runs import middle

ROW, LEFT, WIDTH, RIGHT = 26, 330, 420, 140
INK, PALE, BAR, MISSED = "#57606a", "#d0d7de", "#2da44e", "#bf8700"


def text(x, y, words, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{INK}">{html.escape(words)}</text>')


def limits(rows, history, top):
    """Ours in parts of the limit, which is the line at 1."""
    most = max([1.2, *(max(ours) / middle(limit) for _, _, ours, limit, _ in rows)])
    most = min(most, 1.6)
    x = lambda ratio: LEFT + min(ratio, most) / most * WIDTH
    yield text(0, top, "In parts of the limit that it is compared with (1 = as fast; green: the goal is reached in all measurements)", weight="bold")
    top += 16
    yield f'<path d="M{x(1):g} {top} V{top + len(rows) * ROW}" stroke="{INK}" stroke-dasharray="4 3"/>'
    for n, (line, _, ours, limit, _) in enumerate(rows):
        y, reference = top + n * ROW, middle(limit)
        ratio = middle(ours) / reference
        reached = verdict(line, history) == "reached"
        yield text(LEFT - 10, y + 17, line.what, "end")
        yield f'<rect x="{LEFT}" y="{y + 6}" width="{x(ratio) - LEFT:g}" height="14" rx="2" fill="{BAR if reached else MISSED}"/>'
        for one in ours:
            yield f'<circle cx="{x(one / reference):g}" cy="{y + 13}" r="2.5" fill="{INK}" fill-opacity="0.6"/>'
        yield text(LEFT + WIDTH + 12, y + 17, shown(line, ratio))


def others(rows, top):
    """Ours beside another program, each pair in the unit of its own."""
    yield text(0, top, "Beside other programs, same machine, same server", weight="bold")
    top += 16
    for n, (line, _, ours, other, name) in enumerate(rows):
        y, most = top + n * 2 * ROW, max(*ours, *other)
        x = lambda value: LEFT + value / most * WIDTH
        yield text(LEFT - 10, y + 17, line.what.replace("`", ""), "end")
        for row, (values, colour, label) in enumerate(((ours, BAR, "pipeline"), (other, PALE, name))):
            at, value = y + row * 20, middle(values)
            yield f'<rect x="{LEFT}" y="{at + 4}" width="{max(x(value) - LEFT, 1):g}" height="14" rx="2" fill="{colour}"/>'
            for one in values:
                yield f'<circle cx="{x(one):g}" cy="{at + 11}" r="2.5" fill="{INK}" fill-opacity="0.6"/>'
            yield text(LEFT + WIDTH + 12, at + 15, f"{number(value, line.unit)} {line.unit}")
            if row:
                yield text(LEFT - 10, at + 15, label, "end", 11)


def draw(path, folder):
    rows = list(compared(folder))
    beside_limit = [row for row in rows if row[0].plot == "limit"]
    beside_other = [row for row in rows if row[0].plot == "other"]
    second = 40 + len(beside_limit) * ROW + 30
    height = second + 24 + len(beside_other) * 2 * ROW
    parts = [*limits(beside_limit, known(folder), 20), *others(beside_other, second)]
    width = LEFT + WIDTH + RIGHT
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="Measured rates of pipeline">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n<g transform="translate(10 0)">\n'
        + "\n".join(parts) + "\n</g>\n</svg>\n")
