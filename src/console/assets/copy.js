// Shows the copy buttons if the clipboard is available, and adds one to each code sample.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll('button[data-copy]')) {
    offerCopy(button, button.children[0], () => button.dataset.copy, button.previousElementSibling);
  }
  for (const sample of document.querySelectorAll('.sample')) {
    const [heading, code] = sample.children;
    const button = document.createElement('button');
    const word = document.createElement('span');
    Object.assign(button, { type: 'button', className: 'quiet', ariaLabel: `Copy ${heading.textContent}` });
    word.textContent = 'Copy';
    button.append(word);
    heading.append(button);
    offerCopy(button, word, () => code.textContent, code);
  }
}

function offerCopy(button, word, text, source) {
  const said = word.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      word.textContent = 'Copied';
    } catch {
      word.textContent = 'Press Ctrl+C';
      getSelection()?.selectAllChildren(source);
    }
    setTimeout(() => {
      word.textContent = said;
    }, 2000);
  });
}
