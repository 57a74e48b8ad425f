// The rules for the explorer's page: what is recommended, short modules, and nothing that a browser lacks.
import js from "@eslint/js";

const BROWSER = ["document", "window", "location", "history", "performance", "fetch", "console", "matchMedia", "btoa", "atob",
  "setTimeout", "clearTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "getComputedStyle", "Node", "Element",
  "HTMLCanvasElement", "IntersectionObserver", "ResizeObserver", "WebSocket", "URL", "FileReader", "Blob", "createImageBitmap", "URLSearchParams", "TextDecoder", "TextEncoder"];

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: Object.fromEntries(BROWSER.map(name => [name, "readonly"])) },
    rules: {
      "eqeqeq": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-restricted-syntax": ["error", { selector: "CallExpression[callee.name='eval']", message: "Nothing is evaluated." }],
      "max-lines": ["error", 300],
      "max-len": ["error", { code: 130 }],
      "max-params": ["error", 6],
      "complexity": ["error", 16],
    },
  },
];
