for (const map of document.querySelectorAll(".map")) {
  const data = map.querySelector("script");
  if (!data) continue;
  const { points, names } = JSON.parse(data.textContent);
  const svg = map.querySelector("svg"), ring = map.querySelector(".ring"), tip = map.querySelector(".tip");
  const tile = tip.querySelector(".tile"), name = tip.querySelector(".tip-name");
  const hide = () => { tip.hidden = true; ring.setAttribute("cx", -9); ring.setAttribute("cy", -9); };
  const show = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let nearest = null, least = 24 * 24;
    for (const point of points) {
      const distance = (point[0] - at.x) ** 2 + (point[1] - at.y) ** 2;
      if (distance < least) { least = distance; nearest = point; }
    }
    if (!nearest) return hide();
    const [x, y, label, left, top] = nearest;
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    if (tile) { tile.style.setProperty("--x", left); tile.style.setProperty("--y", top); }
    name.textContent = names[label] ?? "";
    tip.hidden = false;
    const box = map.getBoundingClientRect(), across = event.clientX - box.left, down = event.clientY - box.top;
    const past = across > box.width / 2;
    tip.style.left = `${past ? across - tip.offsetWidth - 14 : across + 14}px`;
    tip.style.top = `${Math.max(0, Math.min(down - tip.offsetHeight / 2, box.height - tip.offsetHeight))}px`;
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", hide);
}
