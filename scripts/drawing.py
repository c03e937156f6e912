"""What the scripts' pictures share: an SVG with a title on a light background, and marks for logarithmic axes."""
import html


def text(x, y, words, **attributes):
    """An element of text; an underscore in an attribute's name stands for a hyphen."""
    listed = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{listed}>{html.escape(words)}</text>'


def page(width, height, title, subtitle, parts):
    """The whole picture."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(20, 26, title, font_size=16, font_weight="bold"),
        text(20, 46, subtitle, fill="#555"),
    ]
    return "\n".join([*head, *parts, "</svg>\n"])


def ticks(low, high):
    """1, 2 and 5 times powers of ten, from the last at or below `low` to the first at or above `high`."""
    steps = [factor * 10.0 ** power for power in range(-3, 7) for factor in [1, 2, 5]]
    first = max(i for i, step in enumerate(steps) if step <= low)
    last = min(i for i, step in enumerate(steps) if step >= high)
    return steps[first:last + 1]
