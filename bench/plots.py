"""Bars as SVG, without a library: one plot per question, one bar per phase and number of sidecars."""
import html
import math

COLOURS = ["#2f6db3", "#e08a2e", "#4a9a5b", "#a3539c"]
PLOTS = [("latency-p50", "median latency, ms", "p50_ms", {"idle"}),
         ("latency-p99", "latency of 99 %, ms", "p99_ms", {"idle"}),
         ("cpu", "CPU of the control plane, seconds per phase", "cpu_seconds", set()),
         ("memory", "resident memory at the end of the phase, MB", "resident_kb", set()),
         ("bytes", "sent, MB", "bytes", {"idle"})]
SCALE = {"resident_kb": 1 / 1024, "bytes": 1e-6}


def nice(value):
    """The smallest of 1, 2, 5 × 10ⁿ that is not below."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def label(value):
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def bars(title, phases, series):
    """series: [(name, [value per phase])]"""
    width, height, left, top, bottom = 900, 360, 70, 50, 60
    highest = nice(max((value for _, values in series for value in values), default=1))
    inner = height - top - bottom
    slot = (width - left - 20) / max(len(phases), 1)
    bar = slot * 0.8 / max(len(series), 1)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="{left}" y="22" font-size="16">{html.escape(title)}</text>']
    for step in range(5):
        value = highest * step / 4
        y = top + inner * (1 - step / 4)
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label(value)}</text>')
    for s, (name, values) in enumerate(series):
        colour = COLOURS[s % len(COLOURS)]
        x = left + 10 + s * 150
        out.append(f'<rect x="{x}" y="{height - 18}" width="12" height="12" fill="{colour}"/>'
                   f'<text x="{x + 18}" y="{height - 8}">{html.escape(name)}</text>')
        for p, value in enumerate(values):
            tall = inner * value / highest
            x = left + p * slot + slot * 0.1 + s * bar
            y = top + inner - tall
            out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar:.1f}" height="{tall:.1f}" fill="{colour}"/>'
                       f'<text x="{x + bar / 2:.1f}" y="{y - 3:.1f}" text-anchor="middle" font-size="10">{label(value)}</text>')
    for p, phase in enumerate(phases):
        out.append(f'<text x="{left + (p + 0.5) * slot:.1f}" y="{height - bottom + 16}" text-anchor="middle">{html.escape(phase)}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def write_all(runs, folder):
    for file, title, key, without in PLOTS:
        phases = [phase["name"] for phase in runs[0]["phases"] if phase["name"] not in without]
        series = []
        for run in runs:
            by_name = {phase["name"]: phase for phase in run["phases"]}
            series.append((f"{run['proxies']} sidecars", [by_name[name][key] * SCALE.get(key, 1) if name in by_name else 0 for name in phases]))
        (folder / f"{file}.svg").write_text(bars(title, phases, series))
