(() => {
  const charts = JSON.parse(document.getElementById("report-charts").textContent);
  const config = { displayModeBar: false, responsive: true };
  const drawn = Object.entries(charts).map(([name, { data, layout }]) => {
    const node = document.getElementById(`chart-${name}`);
    node.style.minHeight = `${layout.height}px`;
    Plotly.newPlot(node, data, layout, config);
    return node;
  });
  const fit = (width) => drawn.forEach((node) => Plotly.relayout(node, width ? { width } : { autosize: true, width: null }));
  addEventListener("beforeprint", () => fit(660));
  addEventListener("afterprint", () => fit(0));
})();
