// Shows the copy buttons if the clipboard is available.
for (const button of document.querySelectorAll('button[data-copy]')) {
  if (!navigator.clipboard) break;
  const [word] = button.children;
  const said = word.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      word.textContent = 'Copied';
    } catch {
      word.textContent = 'Press Ctrl+C';
      getSelection()?.selectAllChildren(button.previousElementSibling);
    }
    setTimeout(() => {
      word.textContent = said;
    }, 2000);
  });
}
