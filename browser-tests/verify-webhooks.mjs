// Verifies what a webhook received, with the reference implementation of Standard Webhooks.
//
//   node verify-webhooks.mjs < RECEIVED
//
// RECEIVED is a JSON list of { secret, headers, body }. Prints one line for each: "genuine TYPE", or "refused WHY".
import { readFileSync } from 'node:fs'
import { Webhook } from 'standardwebhooks'

for (const { secret, headers, body } of JSON.parse(readFileSync(0, 'utf8'))) {
    try {
        console.log('genuine', new Webhook(secret).verify(body, headers).type)
    } catch (error) {
        console.log('refused', error.message)
    }
}
