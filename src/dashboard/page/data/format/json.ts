const indent = '  ';

/**
 * Puts JSON on lines. It works on the text: to parse it would round numbers, and what was cut is no JSON any more. Strings
 * stay as they are.
 */
export function indented(text: string): string {
  let depth = 0;
  let out = '';
  let last = '';
  // Strings whole, to the end if they were cut; brackets, commas and colons; then what is between them.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s"{}[\],:]+/gs)) {
    const isClosing = token === '}' || token === ']';
    const isAfterOpening = last === '{' || last === '[';
    if (isClosing) depth = Math.max(0, depth - 1);
    if (isClosing !== isAfterOpening || last === ',') out += `\n${indent.repeat(depth)}`;
    out += token === ':' ? ': ' : token;
    if (token === '{' || token === '[') depth += 1;
    last = token;
  }
  return out;
}
