"""Looks of the page of a batch: one light style sheet."""

from __future__ import annotations

from napari_cnmf.colours import ACCEPTED
from napari_cnmf.report.style import LINE, SOFT, TEXT

STYLE = f"""
body {{ margin: 0; background: #f6f6f4; color: {TEXT};
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
main {{ max-width: 1200px; margin: 0 auto; padding: 36px 28px 60px; }}
h1 {{ font-size: 26px; line-height: 1.2; margin: 0 0 4px; }}
h2 {{ font-size: 17px; margin: 0 0 6px; overflow-wrap: anywhere; }}
header p {{ margin: 0; }}
small, .links {{ color: {SOFT}; font-size: 13px; }}
a {{ color: #1769a3; text-decoration: none; }}
a:hover {{ text-decoration: underline; }}
.wide {{ overflow-x: auto; margin: 22px 0 10px; }}
.wide, section {{ background: white; border: 1px solid #e4e4e0; border-radius: 8px; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: 7px 12px; vertical-align: top; }}
th {{ font-size: 12px; font-weight: 600; color: {SOFT}; vertical-align: bottom; }}
td {{ border-top: 1px solid #eeeeea; }}
td:first-child {{ overflow-wrap: anywhere; min-width: 130px; }}
.text {{ text-align: left; }}
.number {{ text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
.why {{ color: #8a3612; }}
section {{ padding: 16px 20px 12px; margin: 16px 0; }}
section p {{ margin: 6px 0; }}
section ul {{ margin: 6px 0; padding-left: 20px; color: #6b5a16; }}
img {{ display: block; width: 100%; height: auto; }}
.links a {{ margin-right: 16px; }}
.state {{ display: inline-block; font-size: 12px; font-weight: 600; line-height: 20px;
  padding: 0 9px; border-radius: 10px; background: #ececea; color: #5c5c5c;
  vertical-align: 1px; }}
.done {{ background: #e2f1fb; color: #125785; }}
.running {{ background: {ACCEPTED}; color: white; }}
.waiting {{ background: white; box-shadow: inset 0 0 0 1px {LINE}; }}
.incomplete {{ background: #fbf0d0; color: #6b5410; }}
.failed {{ background: #fbe4d9; color: #8a3612; }}
@media print {{ body {{ background: white; }} section {{ break-inside: avoid; }} }}
"""
