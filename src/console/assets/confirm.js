// Asks before a form is sent that can't be taken back. Without scripts the form is sent at once; what is worse has a page of its own.
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
