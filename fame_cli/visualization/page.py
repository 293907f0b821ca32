"""What all pages look like: their frame, and their styles for light and dark, narrow and wide windows."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c20; --faint: #5c5c64; --paper: #ffffff; --panel: #f3f4f6;
  --line: #d4d6db; --link: #0a58a8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1440px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
p { max-width: 72ch; margin: 0 0 12px; overflow-wrap: anywhere; white-space: pre-line; }
a { color: var(--link); }
nav a { margin-right: 18px; display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
.about { color: var(--faint); font-size: .9rem; }

/* A picture fits the window. Its link opens it large: the frame, being the target, covers the window. */
figure { margin: 18px 0 24px; min-width: 0; }
.open { display: block; width: fit-content; max-width: 100%; padding: 8px; background: #ffffff;
  border: 1px solid var(--line); border-radius: 8px; cursor: zoom-in; }
.open img { display: block; max-width: 100%; height: auto; }
.close { display: none; }
.frame:target { position: fixed; inset: 0; z-index: 1; overflow: auto; padding: 12px;
  background: var(--paper); outline: none; }
.frame:target .close { display: block; position: sticky; left: 0; width: fit-content; margin: 0 0 10px;
  padding: 6px 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
.frame:target .open { max-width: none; min-width: min(100%, 2 * var(--large)); cursor: default; }
.frame:target img { max-width: none; width: max(var(--large), min(100vw - 60px, 2 * var(--large))); }
body:has(.frame:target) { overflow: hidden; }
.told { color: var(--faint); margin: 18px 0 0; }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 0 20px; }
figcaption, caption { color: var(--faint); max-width: 80ch; margin-top: 6px; text-align: left;
  white-space: pre-line; overflow-wrap: anywhere; }

.wide { overflow-x: auto; }
caption { margin-bottom: 6px; }
table { border-collapse: collapse; margin: 12px 0 20px; }
th, td { padding: 6px 14px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td:not(.number) { overflow-wrap: anywhere; min-width: 6ch; }
tr > :first-child { padding-left: 0; }
thead th { border-bottom: 2px solid var(--faint); }
tbody th { font-weight: 500; white-space: pre-wrap; }
th .long { display: inline-block; min-width: 12ch; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px;
  white-space: pre-wrap; overflow-wrap: anywhere;
  font: 14px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }

/* White pictures would glare: charts turn dark with their hues kept, others are dimmed. */
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --faint: #a6a7b0; --paper: #17181c; --panel: #23252b; --line: #41444d;
    --link: #7fb8f5; }
  .open { filter: brightness(.85); }
  .chart .open { filter: invert(.9) hue-rotate(180deg); border-color: #c4c6cc; }
}

/* On a phone a row of a table with many columns becomes a list, so that nothing is cut. */
@media (max-width: 700px) {
  main { padding: 18px 14px 48px; }
  th, td { padding: 6px 8px; }
  .many table, .many caption, .many tbody, .many tr, .many th { display: block; }
  .many thead, .many td:empty { display: none; }
  .many tr { padding: 8px 0; border-bottom: 1px solid var(--line); }
  .many th, .many td { padding: 2px 0; border: 0; }
  .many tbody th { font-weight: 600; }
  .many td { display: flex; justify-content: space-between; gap: 16px; text-align: right; }
  .many td::before { content: attr(data-column); color: var(--faint); text-align: left; white-space: normal; }
  pre { font-size: 12.5px; }
}
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{about}<nav aria-label="Sections">{links}</nav>
{body}
</main>
</body>
</html>
"""
