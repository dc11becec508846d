function connect(root) {
  root.dataset.ready = "yes";
  const audio = root.querySelector("audio");
  const moments = JSON.parse(root.dataset.moments); // [begin, end, ids of the notes], in seconds
  const notes = moments.map(([, , ids]) => ids.map((id) => root.querySelector(`[id="${id}"]`)).filter(Boolean));
  const file = root.querySelector("a.nfs-mp3");
  if (file) file.href = audio.src;
  let lit = [];
  const light = () => {
    const now = audio.currentTime;
    const silent = audio.paused && !audio.seeking && now === 0;
    const on = silent ? [] : notes.filter((_, k) => moments[k][0] <= now && now < moments[k][1]).flat();
    for (const note of lit) if (!on.includes(note)) note.classList.remove("lit");
    for (const note of on) note.classList.add("lit");
    lit = on;
  };
  const follow = () => {
    light();
    if (!audio.paused && !audio.ended) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll(".nfs-player audio")) if (other !== audio) other.pause();
    follow();
  });
  for (const kind of ["timeupdate", "seeked", "ended", "pause"]) audio.addEventListener(kind, light);
  notes.forEach((group, k) => {
    for (const note of group) {
      note.addEventListener("click", () => {
        audio.currentTime = moments[k][0] + 0.001;
        audio.play();
      });
    }
  });
}

// Every player on the page that is not connected yet, as the same one may be shown twice. Where a front end runs the
// script before it shows the block, the search goes on for some frames.
(function search(frames) {
  const found = document.querySelectorAll(".nfs-player:not([data-ready])");
  found.forEach(connect);
  if (!found.length && frames) requestAnimationFrame(() => search(frames - 1));
})(120);
