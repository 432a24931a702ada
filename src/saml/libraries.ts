/**
 * The libraries that make and sign messages. They bring four XML parsers, which the validation of responses never uses, so
 * this is imported where one is first needed. (By a file of ours, as `import()` of a CommonJS package has other names in a bundle.)
 */
export { SAML } from '@node-saml/node-saml';
export { SignedXml } from 'xml-crypto';
