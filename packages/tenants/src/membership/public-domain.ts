/** Providers of mailboxes for everybody. */
const mailboxes = new Set(
  `126.com 163.com aol.com att.net bigpond.com bluewin.ch btinternet.com comcast.net duck.com email.com fastmail.com
  foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk
  hotmail.com hotmail.de hotmail.fr hushmail.com icloud.com laposte.net libero.it live.com live.co.uk mac.com mail.com
  mail.ru mailbox.org me.com msn.com naver.com orange.fr outlook.com outlook.de pm.me posteo.de proton.me
  protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com seznam.cz sina.com sky.com t-online.de tuta.com
  tutanota.com verizon.net virgilio.it wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com
  yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com`.split(/\s+/),
);

/** Under which anybody gets a name, and a site with it. */
const hosting = new Set(
  `amazonaws.com azurestaticapps.net azurewebsites.net blogspot.com cloudapp.net cloudfront.net fly.dev firebaseapp.com
  github.io gitlab.io herokuapp.com netlify.app ngrok.io ngrok-free.app onrender.com pages.dev railway.app repl.co
  surge.sh vercel.app web.app workers.dev`.split(/\s+/),
);

/** `co.uk`, `com.au`, `gov.br`: what registries of countries call their branches. */
const branch = /^(?:ac|co|com|edu|gob|gouv|gov|gv|id|info|ltd|me|mil|ne|net|nom|or|org|plc|sch)\.[a-z]{2}$/;

/**
 * Whether a domain is known to belong to no single organization.
 *
 * This is a list of the common ones, kept by hand. The Public Suffix List has thousands more: `isPublic` of
 * `domainClaims` is for a package that follows it. What is missed is still proven by DNS, which only the registry of a
 * public suffix can do; the list keeps such a claim from being made in good faith.
 */
export function isPublicDomain(domain: string): boolean {
  return mailboxes.has(domain) || hosting.has(domain) || branch.test(domain);
}
