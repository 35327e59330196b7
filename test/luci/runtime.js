// As much of LuCI's runtime in the browser as the pages ask for: view, rpc, poll, ui, L and _. It answers as LuCI's own does; with LUCI naming
// a folder with LuCI's scripts, the suite runs on those instead.

(() => {
  const { sid, page } = document.currentScript.dataset;
  const failure = (req, why) => new Error(`RPC call to ${req.object}/${req.method} failed with ${why}`);

  const rpc = {
    declare:
      (req) =>
      async (...args) => {
        const params = Object.fromEntries((req.params ?? []).map((name, i) => [name, args[i]]));
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'call', params: [sid, req.object, req.method, params] });
        const response = await fetch('/ubus', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        if (!response.ok) throw failure(req, `HTTP error ${response.status}`);
        const { error, result } = await response.json();
        if (error) throw failure(req, `error ${error.code}: ${error.message}`);
        return result.length > 1 ? result[1] : result[0];
      },
  };
  const poll = {
    add(run, seconds) {
      let isBusy = false;
      const turn = () => {
        if (isBusy) return;
        isBusy = true;
        run().finally(() => {
          isBusy = false;
        });
      };
      turn();
      setInterval(turn, 1000 * seconds);
      return true;
    },
  };
  const ui = {
    showModal(title, children) {
      const modal = document.createElement('div');
      modal.className = 'modal cbi-modal';
      modal.setAttribute('role', 'dialog');
      const head = document.createElement('h4');
      head.textContent = title;
      modal.append(head, ...children);
      document.getElementById('modal_overlay').replaceChildren(modal);
      document.body.classList.add('modal-overlay-active');
    },
    hideModal() {
      document.getElementById('modal_overlay').replaceChildren();
      document.body.classList.remove('modal-overlay-active');
    },
  };
  const view = { extend: (methods) => methods };
  const baseclass = { extend: (members) => members };
  const given = { view, rpc, poll, ui, baseclass };

  async function load(name) {
    if (given[name]) return given[name];
    const source = await (await fetch(`/luci-static/resources/${name.replaceAll('.', '/')}.js`)).text();
    const wanted = [...source.matchAll(/^'require (\S+?)(?: as (\w+))?';$/gm)].map(([, from, as = from]) => ({ from, as }));
    const parts = await Promise.all(wanted.map(({ from }) => load(from)));
    return new Function(...wanted.map(({ as }) => as), source)(...parts);
  }

  window.L = { url: (...path) => ['/cgi-bin/luci', ...path].join('/') };
  window._ = (text) => window.TR?.[text] ?? text;

  window.addEventListener('DOMContentLoaded', async () => {
    const methods = await load(`view.weir.${page}`);
    const node = methods.render(await methods.load?.());
    document.getElementById('view').replaceChildren(node);
  });
})();
