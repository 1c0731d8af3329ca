SELECT count(*) FROM media.files WHERE status <> 'gone'
