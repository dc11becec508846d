// A field that chooses a file and sends it in base64, unless it is too large for the notebook server's connection.

function render({ model, el }) {
  const label = document.createElement("label");
  label.style.cssText = `${model.get("colors")}; font: 13px sans-serif; color: var(--jp-ui-font-color1, var(--nfs-ink))`;
  const input = document.createElement("input");
  input.type = "file";
  input.accept = model.get("suffixes");
  label.append("MIDI, MusicXML, kern or ABC: ", input);
  function choose() {
    const file = input.files[0];
    if (!file) return;
    const tell = (size, data) => model.send({ name: file.name, size, data });
    if (file.size > model.get("largest")) return tell(file.size, null);
    const reader = new FileReader();
    reader.onload = () => tell(file.size, reader.result.split(",")[1] || "");
    reader.onerror = () => tell(-1, "");
    reader.readAsDataURL(file);
  }
  input.addEventListener("change", choose);
  el.append(label);
  return () => input.removeEventListener("change", choose);
}

export default { render };
