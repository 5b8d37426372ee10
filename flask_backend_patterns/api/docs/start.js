// Starts Swagger UI. A file of its own, since the page's Content-Security-Policy allows no inline script.
"use strict";

(function () {
  const element = document.getElementById("swagger-ui");
  // The page's addresses are relative, so it also works below a prefix that only a proxy in front knows.
  const address = (relative) => new URL(relative, window.location.href);
  const root = address(element.dataset.root).pathname;

  // Without `servers`, OpenAPI means the root of the host; an app below a prefix is elsewhere.
  const onThisServer = {
    statePlugins: {
      spec: {
        wrapActions: {
          updateJsonSpec: (update) => (spec) => {
            const isElsewhere = root !== "/" && spec && spec.openapi && !spec.servers;
            return update(isElsewhere ? { ...spec, servers: [{ url: root.replace(/\/$/, "") }] } : spec);
          },
        },
      },
    },
  };

  window.ui = SwaggerUIBundle({
    domNode: element,
    url: address(element.dataset.document).href,
    oauth2RedirectUrl: address(element.dataset.folder + "oauth2-redirect.html").href,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [() => onThisServer],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false, // a token stays in the page, never in the browser's storage
    queryConfigEnabled: false, // a link must not point the page at somebody else's document
    validatorUrl: null, // the public validator would be another host
  });
})();
