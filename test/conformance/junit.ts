/** Reads the cases out of JUnit reports. */
import type { CaseResult } from './result.ts';

/** Only the elements and attributes that these suites use. @param named The attributes that together name a case. */
export function junitCases(xml: string, named: readonly string[] = ['package', 'classname']): CaseResult[] {
  const cases: CaseResult[] = [];
  const section = /<testsuite\s[^>]*>|<testcase\s([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const match of xml.matchAll(section)) {
    const [, attributes, , body = ''] = match;
    if (attributes === undefined) continue;
    const name = named
      .map((key) => attribute(attributes, key))
      .join(' ')
      .trim();
    if (/<failure|<error/.test(body))
      cases.push({ name, outcome: 'failed', detail: unescapeXml(body.replaceAll(/<[^>]*>/g, ' ').trim()) });
    else cases.push({ name, outcome: body.includes('<skipped') ? 'skipped' : 'passed' });
  }
  return cases;
}

function attribute(text: string, name: string): string {
  return unescapeXml(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text)?.[1] ?? '');
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescapeXml(text: string): string {
  return text
    .replaceAll(/&#(x?)([0-9a-fA-F]+);/g, (_, hex: string, digits: string) =>
      String.fromCodePoint(Number.parseInt(digits, hex === '' ? 10 : 16)),
    )
    .replaceAll(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
