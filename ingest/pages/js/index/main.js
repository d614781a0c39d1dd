// The page of uploads and recordings.

import * as list from "./list.js";
import * as uploads from "./uploads.js";

list.start();
uploads.start(list.refresh);
