// What the page was served with: the product's address, the caller's headers, the thread.
export const asked = JSON.parse(document.getElementById("asked").textContent);
