(function () {
  "use strict";
  // Filter fields are hidden in the markup: without this script they would do nothing.
  document.querySelectorAll("[data-filter]").forEach(function (box) {
    var field = box.querySelector("input");
    var status = box.querySelector("[role=status]");
    var table = document.getElementById(box.getAttribute("data-filter"));
    var rows = Array.prototype.slice.call(table.tBodies[0].rows);
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    var fold = table.closest("details");
    box.hidden = false;
    function apply() {
      var wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (row, at) {
        var hit = wanted.every(function (word) { return texts[at].indexOf(word) !== -1; });
        row.hidden = !hit;
        shown += hit ? 1 : 0;
      });
      status.textContent = wanted.length ? shown + " of " + rows.length + " shown" : "";
      if (wanted.length && fold) { fold.open = true; }
    }
    field.addEventListener("input", apply);
    apply();
  });
})();
