// Sort a table by a column, and show its long tail of rows on demand.
function limit(table) {
  const most = table.dataset.all ? Infinity : Number(table.dataset.limit || Infinity);
  [...table.tBodies[0].rows].forEach((row, i) => row.classList.toggle('more', i >= most));
}
function value(row, column) {
  const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
  return text === '' || text === '–' ? null : isNaN(text) ? text.toLowerCase() : Number(text);
}
document.querySelectorAll('table.sortable').forEach(table => {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector('button').addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1, body = table.tBodies[0];
      const rows = [...body.rows].map(row => [value(row, column), row]);
      rows.sort(([a], [b]) => a === null ? 1 : b === null ? -1 : a < b ? -down : a > b ? down : 0);
      [...table.tHead.rows[0].cells].forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down > 0 ? 'ascending' : 'descending');
      body.append(...rows.map(([, row]) => row));
      limit(table);
    });
  });
  limit(table);
});
document.querySelectorAll('button[data-shows]').forEach(button => {
  button.hidden = false;
  button.addEventListener('click', () => {
    const table = document.getElementById(button.dataset.shows);
    table.dataset.all = '1';
    limit(table);
    button.hidden = true;
  });
});
