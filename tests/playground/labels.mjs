// Draws charts as the page does, with the expression interpreter, and prints the texts of each axis.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const page = createRequire(process.argv[2]);
const load = (name) => import(pathToFileURL(page.resolve(name)).href);
const [vega, lite, { expressionInterpreter }] = await Promise.all(
  ["vega", "vega-lite", "vega-interpreter"].map(load),
);

let input = "";
for await (const chunk of process.stdin) input += chunk;
const drawn = [];
for (const spec of JSON.parse(input)) {
  const compiled = lite.compile({ ...spec, width: 600 }).spec;
  const view = new vega.View(vega.parse(compiled, null, { ast: true }), { renderer: "none", expr: expressionInterpreter });
  await view.runAsync();
  drawn.push(axes(view.scenegraph().root));
  view.finalize();
}
console.log(JSON.stringify(drawn));

/** The labels of every axis that has a title or labels, in the order of the scene. */
function axes(item, found = []) {
  for (const child of item.items ?? []) {
    if (child.marktype === "text" && child.role === "axis-label") {
      found.push(child.items.map((each) => String(each.text)));
    }
    axes(child, found);
  }
  return found;
}
