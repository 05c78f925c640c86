// The server's answer to ID (RFC 2971): its name, and nothing that helps an attacker choose.

export function formatServerId(): string {
  return '* ID ("name" "postcote")\r\n';
}
