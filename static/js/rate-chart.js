/* Draws the rate history. The figures arrive as text and become numbers only to be drawn. */
(function () {
  "use strict";
  const holder = document.getElementById("rate-chart");
  const source = document.getElementById("rate-chart-data");
  if (!holder || !source || typeof uPlot === "undefined") return;
  const data = JSON.parse(source.textContent);
  const readout = document.getElementById("chart-readout");
  const HEIGHT = 300;
  let plot = null;

  /* light-dark() is resolved by painting: a probe takes the token as its colour. */
  function painted(name) {
    const probe = document.createElement("span");
    probe.className = "sr";
    probe.style.color = `var(${name})`;
    holder.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  /* One row of times for all lines; each line keeps its value until it changes, and lasts till now. */
  function aligned() {
    const times = [...new Set([data.from, data.to, ...data.lines.flatMap((line) => line.points.map((p) => p[0]))])].sort((a, b) => a - b);
    const series = data.lines.map((line) => {
      let at = 0;
      let value = null;
      return times.map((time) => {
        while (at < line.points.length && line.points[at][0] <= time) value = Number(line.points[at++][1]) * 100;
        return value;
      });
    });
    return [times, ...series];
  }

  const percent = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(6).replace(/0{1,4}$/, "")} %`);
  const date = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: data.zone };
  const clock = new Intl.DateTimeFormat("sv-SE", date);
  const DAY = ["\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}"];
  const time = (seconds) => `${clock.format(new Date(seconds * 1000))} ${data.zone}`;

  function tell(chart) {
    const at = chart.cursor.idx ?? chart.data[0].length - 1;
    const parts = data.lines.map((line, i) => `${line.name} ${percent(chart.data[i + 1][at])}`);
    readout.textContent = [time(chart.data[0][at]), ...parts].join(" · ");
  }

  function marks(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.strokeStyle = painted("--text-3");
    ctx.setLineDash([4, 4]);
    for (const [at] of data.marks) {
      const x = Math.round(chart.valToPos(at, "x", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  function draw() {
    const strokes = [painted("--accent"), painted("--warn")];
    const ink = painted("--text-2");
    const grid = { stroke: painted("--line"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
    plot?.destroy();
    holder.replaceChildren();
    plot = new uPlot(
      {
        width: holder.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
        cursor: { y: false, drag: { x: true, y: false } },
        scales: { x: { time: true }, y: { range: (_, low, high) => (low === high ? [low * 0.9, high * 1.1 || 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
        padding: [null, 30, null, null],
        axes: [{ ...axis, space: (_, index, first, last) => (last - first < 900 ? 60 : 50), values: [[31536000, "{YYYY}"], [2419200, "{MMM}", "\n{YYYY}"], [86400, "{D} {MMM}", "\n{YYYY}"], [60, "{HH}:{mm}", ...DAY], [1, "{HH}:{mm}:{ss}", ...DAY]].map((row) => [...row, ...Array(8 - row.length).fill(null), 1]) }, { ...axis, size: 84, values: (_, ticks) => ticks.map((tick) => `${Number(tick.toPrecision(6))} %`) }],
        series: [{}, ...data.lines.map((line, i) => ({ label: line.name, stroke: strokes[i % 2], width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, dash: i ? [6, 3] : undefined }))],
        hooks: { draw: [marks], setCursor: [tell] },
      },
      aligned(),
      holder,
    );
    tell(plot);
  }

  draw();
  new ResizeObserver(() => plot.width !== holder.clientWidth && plot.setSize({ width: holder.clientWidth, height: HEIGHT })).observe(holder);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
