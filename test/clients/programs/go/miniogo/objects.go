package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"sealgate/clients/lane"
)

const signedChunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

func small(ctx context.Context, bucket string) error {
	wire := &lane.Wire{}
	s, err := client(wire, false)
	if err != nil {
		return err
	}
	for _, size := range lane.Sizes {
		data := lane.Random(size)
		made, err := put(ctx, s, bucket, "small", data, minio.PutObjectOptions{UserMetadata: map[string]string{"Lane": "value"}})
		if err != nil {
			return fmt.Errorf("PUT of %d bytes: %w", size, err)
		}
		stat, err := s.StatObject(ctx, bucket, "small", minio.StatObjectOptions{})
		if err != nil {
			return err
		}
		if err := lane.First(
			same(ctx, s, bucket, "small", data),
			lane.Equal("ETag of HEAD and PUT", stat.ETag, made.ETag),
			lane.Equal("metadata", stat.UserMetadata["Lane"], "value"),
		); err != nil {
			return err
		}
	}
	return wire.Sent("PUT", "X-Amz-Content-Sha256", signedChunks)
}

func empty(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	if _, err := put(ctx, s, bucket, "empty", nil, minio.PutObjectOptions{}); err != nil {
		return err
	}
	if _, err := s.PutObject(ctx, bucket, "stream", lane.Stream(nil), -1, minio.PutObjectOptions{PartSize: 5 * lane.MiB}); err != nil {
		return fmt.Errorf("a stream of nothing: %w", err)
	}
	return lane.First(same(ctx, s, bucket, "empty", nil), same(ctx, s, bucket, "stream", nil))
}

func multipart(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	data := lane.Random(2*5*lane.MiB + 12_345)
	for key, size := range map[string]int64{"known": int64(len(data)), "unknown": -1} {
		if _, err := s.PutObject(ctx, bucket, key, lane.Stream(data), size, minio.PutObjectOptions{
			PartSize: 5 * lane.MiB, SendContentMd5: key == "known",
		}); err != nil {
			return fmt.Errorf("length %s: %w", key, err)
		}
		if err := same(ctx, s, bucket, key, data); err != nil {
			return err
		}
	}
	return nil
}

// A reader that seeks opens the object anew, and insists on the same ETag: it must hold as long as the object is the
// same, and fail as soon as it is not.
func ranges(ctx context.Context, bucket string) error {
	wire := &lane.Wire{}
	s, err := client(wire, false)
	if err != nil {
		return err
	}
	data := lane.Random(3*lane.Segment + 7)
	made, err := put(ctx, s, bucket, "range", data, minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	object, err := s.GetObject(ctx, bucket, "range", minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	if _, err := object.Stat(); err != nil {
		return err
	}
	buffer := make([]byte, 1000)
	for _, at := range []int64{lane.Segment - 500, 0, 2 * lane.Segment, int64(len(data)) - 1000} {
		if _, err := object.ReadAt(buffer, at); err != nil && err != io.EOF {
			return fmt.Errorf("ReadAt %d: %w", at, err)
		}
		if !bytes.Equal(buffer, data[at:at+1000]) {
			return fmt.Errorf("ReadAt %d: bytes differ", at)
		}
	}
	if err := wire.Sent("GET", "If-Match", `"`+made.ETag+`"`); err != nil {
		return err
	}
	if _, err := put(ctx, s, bucket, "range", lane.Random(len(data)), minio.PutObjectOptions{}); err != nil {
		return err
	}
	_, changed := object.ReadAt(buffer, 7)
	return lane.First(
		lane.Failing("ReadAt of an object that was replaced", changed, code, "PreconditionFailed"),
		rangeCodes(ctx, s, bucket, len(data)),
	)
}

func rangeCodes(ctx context.Context, s *minio.Client, bucket string, size int) error {
	behind := minio.GetObjectOptions{}
	if err := behind.SetRange(int64(size), int64(size)+10); err != nil {
		return err
	}
	_, _, _, refused := (&minio.Core{Client: s}).GetObject(ctx, bucket, "range", behind)
	_, _, _, missing := (&minio.Core{Client: s}).GetObject(ctx, bucket, "missing", minio.GetObjectOptions{})
	return lane.First(
		lane.Failing("a range behind the end", refused, code, "InvalidRange"),
		lane.Failing("a key that is not there", missing, code, "NoSuchKey"),
	)
}

// Lists of every kind; `metadata=true`, an extension of MinIO's own, must do no harm.
func list(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	for index, name := range lane.Names {
		if _, err := put(ctx, s, bucket, name, lane.Random(index*1000), minio.PutObjectOptions{}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for what, options := range map[string]minio.ListObjectsOptions{
		"V2":            {Recursive: true, MaxKeys: 3},
		"V1":            {Recursive: true, MaxKeys: 3, UseV1: true},
		"with metadata": {Recursive: true, WithMetadata: true},
		"versions":      {Recursive: true, WithVersions: true},
	} {
		sizes := map[string]int64{}
		for object := range s.ListObjects(ctx, bucket, options) {
			if object.Err != nil {
				return fmt.Errorf("%s: %w", what, object.Err)
			}
			sizes[object.Key] = object.Size
		}
		for index, name := range lane.Names {
			if size, there := sizes[name]; !there || size != int64(index*1000) || len(sizes) != len(lane.Names) {
				return fmt.Errorf("LIST %s: %d names, %q has %d bytes, want %d", what, len(sizes), name, size, index*1000)
			}
		}
	}
	return nil
}

func deletes(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	names := make(chan minio.ObjectInfo, len(lane.Names)+1)
	names <- minio.ObjectInfo{Key: "was never there"}
	for index, name := range lane.Names {
		if _, err := put(ctx, s, bucket, name, lane.Random(index), minio.PutObjectOptions{}); err != nil {
			return err
		}
		names <- minio.ObjectInfo{Key: name}
	}
	close(names)
	for failed := range s.RemoveObjects(ctx, bucket, names, minio.RemoveObjectsOptions{}) {
		return fmt.Errorf("%s: %w", failed.ObjectName, failed.Err)
	}
	for object := range s.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		return fmt.Errorf("left: %q (%v)", object.Key, object.Err)
	}
	return nil
}
