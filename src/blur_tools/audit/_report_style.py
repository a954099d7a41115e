"""The style of the report's page: light and dark by the reader's setting, and for paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1b2430;--soft:#5a6675;--line:#dde2e8;
--plate:#2166ac;--face:#d6604d;--any:#5a6675;--good:#1a7f45;--fair:#9a6700;--bad:#c0392b;--good-back:#e3f4ea;
--fair-back:#fcf1d8;--bad-back:#fbe4e1}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1b212a;--ink:#e6ebf1;--soft:#9aa7b6;--line:#313a46;
--plate:#6aaee8;--face:#f0937f;--any:#9aa7b6;--good:#5fce8f;--fair:#e3b341;--bad:#ff8a7a;--good-back:#173324;
--fair-back:#382c10;--bad-back:#401f1c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1120px;margin:0 auto;padding:40px 28px 56px}
header{border-bottom:1px solid var(--line);padding-bottom:20px;margin-bottom:24px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:40px 0 12px}
h3{font-size:.95rem;margin:0 0 10px}
p{margin:0 0 10px;max-width:76ch}
.soft,small,figcaption{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:12px;margin:0 0 20px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:1.6rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.85rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px;align-items:start}
.pair>*{min-width:0}.stack{display:grid;gap:16px}.below{margin-top:16px}
ul.says{list-style:none;margin:0;padding:0;display:grid;gap:10px}
ul.says li{overflow-wrap:anywhere;border-left:4px solid var(--line);padding:8px 14px;background:var(--card);
border-radius:0 8px 8px 0}
ul.says li.good{border-color:var(--good)}ul.says li.fair{border-color:var(--fair)}
ul.says li.bad{border-color:var(--bad)}
.pill{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.8rem;font-weight:600;margin-right:8px}
.pill.good{color:var(--good);background:var(--good-back)}.pill.fair{color:var(--fair);background:var(--fair-back)}
.pill.bad{color:var(--bad);background:var(--bad-back)}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:break-word}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{color:var(--soft);font-weight:600;font-size:.82rem}
td.n,th.n{text-align:right;white-space:nowrap;padding-right:0;padding-left:12px;overflow-wrap:normal}
tbody th{font-weight:500;padding-right:18px}
.scroll{overflow-x:auto}.scroll.wide table{min-width:540px}
code{font:.85em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px;margin:10px 0;
white-space:pre-wrap;overflow-wrap:anywhere}
figure{margin:0}
figcaption{font-size:.85rem;margin-top:6px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--soft);font-size:11px}
svg text.name{fill:var(--ink);font-size:13px}
.grid{stroke:var(--line)}
.frame{fill:none;stroke:var(--line)}
.plate{fill:var(--plate);stroke:none}.face{fill:var(--face);stroke:none}.any{fill:var(--any);stroke:none}
line.plate{stroke:var(--plate)}line.face{stroke:var(--face)}line.any{stroke:var(--any)}
line.bound{stroke-width:5;stroke-opacity:.45}line.end{stroke-width:2}
.key{display:inline-flex;align-items:center;gap:6px;margin-right:16px;font-size:.85rem;color:var(--soft)}
.key i{width:11px;height:11px;border-radius:3px;display:inline-block}
.key i.plate{background:var(--plate)}.key i.face{background:var(--face)}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:12px}
.sheet figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px;text-align:center}
.sheet div{height:96px;display:flex;align-items:center;justify-content:center}
.sheet img{max-width:100%;max-height:96px}
footer{margin-top:44px;border-top:1px solid var(--line);padding-top:16px;color:var(--soft);font-size:.88rem}
@media (max-width:560px){main{padding:24px 16px 40px}h1{font-size:1.5rem}.tile b{font-size:1.3rem}
.tiles{grid-template-columns:repeat(auto-fit,minmax(96px,1fr));gap:8px}.tile{padding:10px 12px}}
@page{size:A4;margin:14mm}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--plate:#2166ac;
--face:#d6604d;--any:#444;--good:#1a7f45;--fair:#7a5200;--bad:#b03024;--good-back:#fff;--fair-back:#fff;
--bad-back:#fff}
body{font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0 1px}h2,h3,section>p{break-after:avoid}h2{margin-top:22px}
.tile,figure,tr,ul.says li,pre{break-inside:avoid}svg text{font-size:14px}svg text.name{font-size:16px}
.pair{grid-template-columns:1fr 1fr}.tiles{grid-template-columns:repeat(6,1fr)}.tile{padding:8px 10px}
.tile b{font-size:1.25rem}.sheet{grid-template-columns:repeat(6,1fr)}.pill{border:1px solid currentColor}
.scroll{overflow:visible}.scroll.wide table{min-width:0}}
"""
