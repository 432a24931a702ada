/** Renders the API reference with swagger-ui, which the gateway serves itself. It brings its own style. */
export function ApiDocsPage() {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>API · samlgate</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/api/docs/swagger-ui.css" />
        <script src="/api/docs/swagger-ui-bundle.js" defer />
        <script src="/assets/api-docs.js" defer />
      </head>
      <body>
        <main id="api">
          <p>
            This page needs JavaScript. You can read the OpenAPI document itself at <a href="/api/v1/openapi.json">openapi.json</a>.
          </p>
        </main>
      </body>
    </html>
  );
}
