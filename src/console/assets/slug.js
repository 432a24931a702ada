// Fills in the slug while the name is typed, until the user edits the slug. Without this script, the gateway does it.
const name = document.querySelector('input[name=name]');
const slug = document.querySelector('input[name=slug]');
let isEdited = slug.value !== '';
slug.addEventListener('input', () => {
  isEdited = slug.value !== '';
});
name.addEventListener('input', () => {
  if (isEdited) return;
  slug.value = name.value
    .normalize('NFKD')
    .replaceAll('ß', 'ss')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
});
