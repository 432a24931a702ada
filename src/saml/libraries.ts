/**
 * The libraries that create and sign messages, and give the second opinion. They load four XML parsers that the verdict on a response
 * never uses, so this file is imported dynamically, when a library is first needed. It exists because `import()` of a CommonJS package
 * gives different names in a bundle.
 */
export { SAML } from '@node-saml/node-saml';
export { SignedXml } from 'xml-crypto';
