SELECT cuts FROM media.cuts WHERE fingerprint = $1
