"""The sheet a report is printed on: one self-contained page without script, light, dark and on paper."""

from __future__ import annotations

from collections.abc import Sequence

from flyball.charts import STYLE as CHART_STYLE
from flyball.reports.html import e

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LIGHT = (
    "--page:#f5f4f0;--card:#fff;--ink:#1d2329;--soft:#5b6570;--line:#e2e0da;--main:#0e6b70;--warm:#a34a07;"
    "--good:#176b41;--good-bg:#e3f2e9;--bad:#a3231c;--bad-bg:#fbe7e5;--warn:#7d4a00;--warn-bg:#fdf0d9;--tint:#f0f4f3"
)
_DARK = (
    "--page:#111518;--card:#1a1f24;--ink:#e8ebed;--soft:#a3adb6;--line:#2f373e;--main:#4fb8b3;--warm:#f0a04b;"
    "--good:#7fd6a4;--good-bg:#173526;--bad:#ff9d94;--bad-bg:#451d1a;--warn:#f3c06b;--warn-bg:#3b2c10;--tint:#20272c"
)
_STYLE = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
html{{scroll-behavior:smooth;scroll-padding-top:1rem}}
body{{margin:0;background:var(--page);color:var(--ink);font:400 1rem/1.55 system-ui,-apple-system,'Segoe UI',Roboto,
'Noto Sans',sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;-webkit-text-size-adjust:100%}}
a{{color:var(--main)}}a:focus-visible,summary:focus-visible{{outline:3px solid var(--main);outline-offset:2px}}
.skip{{position:absolute;left:-99rem}}.skip:focus{{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem}}
.sheet{{max-width:78rem;margin:0 auto;padding:1.25rem 1rem 3rem}}
h1,h2,h3,p,figure,dl,dd{{margin:0}}
h1{{font-size:clamp(1.9rem,1.4rem + 2.4vw,3rem);line-height:1.1;letter-spacing:-.025em;font-weight:700}}
h1 small{{font-size:.5em;font-weight:500;color:var(--soft);letter-spacing:0;white-space:nowrap}}
h2{{font-size:1.35rem;line-height:1.25;letter-spacing:-.012em}}h3{{font-size:.95rem;line-height:1.35}}
.eyebrow{{font-size:.78rem;letter-spacing:.09em;text-transform:uppercase;color:var(--main);font-weight:650;
margin-bottom:.5rem}}
.abstract{{font-size:1.12rem;line-height:1.5;max-width:46rem;margin-top:.9rem}}
.lead{{color:var(--soft);margin-top:.3rem;max-width:48rem}}
header{{padding:1rem 0 1.5rem}}
nav{{font-size:.9rem;margin-bottom:1.25rem}}nav ol{{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;
gap:.15rem 1.1rem}}nav a{{color:var(--soft);text-decoration:none;display:inline-block;padding:.25rem 0}}
nav a:hover{{color:var(--main);text-decoration:underline}}
section,.hero{{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.35rem 1.1rem;
margin-bottom:1.1rem}}
.hero{{display:grid;gap:1.4rem}}.hero>*{{min-width:0}}
.score{{font-size:clamp(2.6rem,2rem + 3vw,4rem);line-height:1;font-weight:700;letter-spacing:-.035em}}
.score small{{font-size:1rem;line-height:1.5;
font-weight:500;letter-spacing:0;color:var(--soft);display:inline-block;
margin-left:.4rem}}
.facts{{display:grid;gap:1px;background:var(--line);border:1px solid var(--line);border-radius:.6rem;overflow:hidden;
grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr))}}
.facts div{{background:var(--card);padding:.8rem .95rem}}
.facts dt{{font-size:.8rem;color:var(--soft)}}.facts dd{{font-weight:600;margin-top:.1rem;line-height:1.4}}
.facts dd small{{display:block;font-weight:400;font-size:.85rem;color:var(--soft)}}
.grid{{display:grid;gap:1.6rem 2.2rem;margin-top:1.25rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr))}}
figure{{min-width:0}}figcaption{{margin-bottom:.7rem}}
figcaption p{{font-size:.875rem;color:var(--soft);line-height:1.45;
margin-top:.15rem}}
table{{width:100%;border-collapse:collapse;margin-top:1.1rem;font-size:.92rem}}
caption{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}}
th,td{{text-align:left;vertical-align:top;padding:.55rem .9rem .55rem 0;border-bottom:1px solid var(--line);
font-weight:400}}tbody tr:last-child>*{{border-bottom:0}}
thead th{{font-size:.8rem;color:var(--soft);white-space:nowrap}}tbody th{{font-weight:600}}
td small,th small{{display:block;color:var(--soft);font-weight:400;font-size:.82rem;line-height:1.4}}
.n{{text-align:right;white-space:nowrap}}.n:last-child{{padding-right:0}}.wide{{width:40%}}
.way{{color:var(--soft);font-weight:400}}.score{{margin-top:.5rem}}
.share+.lead{{margin-top:.8rem}}.note+.lead,.lead+h3,table+.lead,table+h3{{margin-top:1.1rem}}
.main-row>*{{background:var(--tint)}}
section>dl{{margin-top:1.1rem;display:grid;gap:.1rem}}section>dl>div{{display:grid;grid-template-columns:11rem 1fr;
gap:.2rem 1rem;padding:.45rem 0;border-bottom:1px solid var(--line)}}section>dl>div:last-child{{border:0}}
section>dl dt{{color:var(--soft);font-size:.9rem}}section>dl dd{{min-width:0}}
code{{font:500 .86em ui-monospace,'SF Mono',Menlo,Consolas,monospace;overflow-wrap:anywhere}}
pre{{background:var(--tint);border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;overflow-x:auto;
margin:1rem 0 0;font-size:.9rem;line-height:1.6}}pre code{{overflow-wrap:normal}}
.tag{{display:inline-block;border-radius:1rem;padding:.05rem .6rem;font-size:.82rem;font-weight:650;
white-space:nowrap}}
.tag.good{{color:var(--good);background:var(--good-bg)}}.tag.bad{{color:var(--bad);background:var(--bad-bg)}}
.tag.warn{{color:var(--warn);background:var(--warn-bg)}}.tag.plain{{color:var(--soft);background:var(--tint)}}
.note{{margin-top:1.1rem;padding:.75rem 1rem;border-radius:.5rem;background:var(--tint);
border-left:3px solid var(--main)}}
.note.warn{{background:var(--warn-bg);border-color:var(--warm)}}
.note.bad{{background:var(--bad-bg);border-color:var(--bad)}}
.share{{display:flex;height:1.9rem;border-radius:.4rem;overflow:hidden;margin-top:1.1rem;font-size:.85rem;
font-weight:600;gap:2px}}
.share span{{display:flex;align-items:center;padding:0 .7rem;white-space:nowrap;overflow:hidden}}
.share .learn{{background:var(--tint);color:var(--ink)}}.share .judge{{background:var(--main);color:var(--card);
min-width:max-content}}
details{{margin-top:1rem}}summary{{cursor:pointer;color:var(--main);font-weight:600}}
.packages{{columns:11rem auto;font-size:.85rem;margin-top:.6rem;padding:0;list-style:none}}
footer{{color:var(--soft);font-size:.85rem;padding:.5rem .2rem}}
.fb-chart{{margin-inline:0}}
@media (max-width:44rem){{
thead{{display:none}}table,tbody,tr,th,td{{display:block}}tr{{padding:.7rem 0;
border-bottom:1px solid var(--line)}}tbody tr:last-child{{border-bottom:0}}th,td{{padding:.1rem 0;border:0}}
.n{{text-align:left;white-space:normal}}
.wide{{width:auto}}.main-row{{background:var(--tint);box-shadow:-.6rem 0 var(--tint),.6rem 0 var(--tint)}}
.main-row>*{{background:none}}
td[data-label]{{display:grid;grid-template-columns:7.5rem minmax(0,1fr);gap:.5rem}}
td[data-label]::before{{content:attr(data-label);color:var(--soft);font-size:.85rem;line-height:1.8}}
.main-row small{{color:inherit}}
section>dl>div{{grid-template-columns:1fr}}}}
@media (min-width:70rem){{
.sheet{{padding:2rem 2rem 4rem}}.body{{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:2rem}}
nav{{position:sticky;top:1.5rem;align-self:start}}nav ol{{display:block}}nav a{{padding:.28rem 0}}
section,.hero{{padding:1.8rem 2rem}}.hero{{grid-template-columns:minmax(0,1fr) minmax(0,1.1fr);align-items:center}}
.hero .facts{{grid-column:1/-1;grid-template-columns:repeat(3,minmax(0,1fr))}}}}
@media (prefers-reduced-motion:reduce){{html{{scroll-behavior:auto}}}}
@media print{{:root,.fb-chart{{{_LIGHT}}}body{{background:#fff;font-size:10pt}}nav,.skip{{display:none}}
section,.hero{{border:0;border-top:1px solid var(--line);border-radius:0;padding:.8rem 0}}
figure,tr,.facts div{{break-inside:avoid}}h2{{break-after:avoid}}.sheet{{padding:0}}.body{{display:block}}
*{{print-color-adjust:exact}}}}
"""


def page(title: str, header: str, sections: Sequence[tuple[str, str, str]], footer: str) -> str:
    """A whole document from its header, its sections `(id, name in the contents, HTML)` and its footer."""
    contents = "".join(f'<li><a href="#{e(name)}">{e(label)}</a></li>' for name, label, _ in sections)
    style = " ".join(_STYLE.split("\n")) + CHART_STYLE
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<meta name="color-scheme" content="light dark"><title>{e(title)}</title><style>{style}</style></head><body>'
        f'<a class="skip" href="#content">Skip to the content</a><div class="sheet"><header>{header}</header>'
        f'<div class="body"><nav aria-label="Contents"><ol>{contents}</ol></nav>'
        f'<main id="content">{"".join(body for _, _, body in sections)}</main></div>'
        f"<footer>{footer}</footer></div></body></html>\n"
    )
