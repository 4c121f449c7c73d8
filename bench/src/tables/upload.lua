-- One MiB with each request.
wrk.method = "POST"
wrk.body = string.rep("x", 1048576)
wrk.headers["content-type"] = "application/octet-stream"
