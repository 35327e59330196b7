// What the views use of LuCI, which hands it over by the names that are required. Everything else they do themselves: LuCI's own
// helpers take a lone text for HTML.

/** What a view is made of. */
type View = Readonly<{
  load?(): Promise<unknown>;
  render(loaded: never): Node;
  /** null: without the button below the page. */
  handleSave: null;
  handleSaveApply: null;
  handleReset: null;
}>;

declare const rpc: {
  /** Answers with the ubus status instead, where a method answered with nothing more. */
  declare(call: { object: string; method: string; params: readonly string[] }): (...args: readonly unknown[]) => Promise<unknown>;
};

declare const poll: { add(run: () => Promise<void>, seconds: number): boolean };

declare const ui: {
  showModal(title: string, children: readonly Node[]): void;
  hideModal(): void;
};

declare const L: { url(...path: string[]): string };

/** Its translation. */
declare function _(text: string): string;
