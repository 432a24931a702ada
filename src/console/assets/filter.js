// Hides the rows of the page's table that have not what is typed. Sending the form asks the server, which knows all pages.
for (const field of document.querySelectorAll('input[data-filter]')) {
  const rows = document.querySelectorAll('tr[data-filter-text]');
  field.addEventListener('input', () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.dataset.filterText.includes(wanted);
  });
}
