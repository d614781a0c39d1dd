// Uploads a file with the real tus-js-client, and goes on with an upload that a process before this one has begun.
//
//   node tus-upload.mjs ENDPOINT FILE MEMORY METADATA
//
// MEMORY is the file in which the client keeps the addresses of its uploads; METADATA is JSON. Prints "found NUMBER" (uploads to go on
// with), "asks METHOD" for each request, and "done URL RECORDING".
import { createReadStream } from 'node:fs'
import * as tus from 'tus-js-client'

const [endpoint, file, memory, metadata] = process.argv.slice(2)
let recording
const upload = new tus.Upload(createReadStream(file), {
    endpoint,
    metadata: JSON.parse(metadata),
    urlStorage: new tus.FileUrlStorage(memory),
    retryDelays: [0, 200, 500, 1000, 2000, 2000, 2000],
    onBeforeRequest(request) {
        console.log('asks', request.getMethod())
    },
    onAfterResponse(request, response) {
        recording = response.getHeader('Throughline-Recording') ?? recording
    },
    onSuccess() {
        console.log('done', upload.url, recording)
    },
    onError(error) {
        console.error(String(error))
        process.exit(1)
    },
})
const before = await upload.findPreviousUploads()
console.log('found', before.length)
if (before.length > 0) upload.resumeFromPreviousUpload(before[0])
upload.start()
