// Hides the rows of this page that do not contain the text. Sending the form searches all pages on the server.
for (const field of document.querySelectorAll('input[data-filter]')) {
  const rows = document.querySelectorAll('tr[data-filter-text]');
  field.addEventListener('input', () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.dataset.filterText.includes(wanted);
  });
}
