// Lets users drop a file anywhere on the metadata field. Without this script, the file input takes it.
for (const field of document.querySelectorAll('[data-drop]')) {
  const input = field.querySelector('input[type=file]');
  const isFile = (event) => event.dataTransfer?.types.includes('Files');
  field.addEventListener('dragover', (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    field.classList.add('over');
  });
  field.addEventListener('dragleave', () => field.classList.remove('over'));
  field.addEventListener('drop', (event) => {
    field.classList.remove('over');
    if (!isFile(event)) return;
    event.preventDefault();
    input.files = event.dataTransfer.files;
  });
}
