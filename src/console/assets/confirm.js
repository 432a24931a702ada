// Asks for confirmation before a form is sent. Without scripts the form is sent immediately; serious actions have a confirmation page.
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
