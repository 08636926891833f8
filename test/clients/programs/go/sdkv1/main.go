// The AWS SDK for Go v1, under many tools that are no longer rewritten: MD5s instead of newer checksums, and `x-amz-te` on reads.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3manager"

	"sealgate/clients/lane"
)

func main() {
	lane.Main("github.com/aws/aws-sdk-go", lane.Columns{
		"small": small, "empty": empty, "multipart": multipart, "range": ranges, "list": list, "copy": copies,
		"delete": deletes, "conditional": conditional, "checksum": checksums, "special": special,
	})
}

func client(wire *lane.Wire) *s3.S3 {
	id, secret := lane.Credentials()
	config := aws.NewConfig().WithEndpoint(lane.Endpoint()).WithRegion(lane.Region).WithS3ForcePathStyle(true).
		WithCredentials(credentials.NewStaticCredentials(id, secret, ""))
	if wire != nil {
		config = config.WithHTTPClient(&http.Client{Transport: wire})
	}
	return s3.New(session.Must(session.NewSession(config)))
}

func code(err error) string {
	var answer awserr.Error
	if errors.As(err, &answer) {
		return answer.Code()
	}
	return ""
}

func put(ctx context.Context, s *s3.S3, bucket, key string, data []byte) (*s3.PutObjectOutput, error) {
	return s.PutObjectWithContext(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
}

func same(ctx context.Context, s *s3.S3, bucket, key string, want []byte) error {
	got, err := s.GetObjectWithContext(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Same("GET "+key, got.Body, want),
		lane.Equal("Content-Length of "+key, aws.Int64Value(got.ContentLength), int64(len(want))),
	)
}

func small(ctx context.Context, bucket string) error {
	s := client(nil)
	for _, size := range lane.Sizes {
		data := lane.Random(size)
		made, err := s.PutObjectWithContext(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: aws.String("small"), Body: bytes.NewReader(data), Metadata: map[string]*string{"Lane": aws.String("value")},
		})
		if err != nil {
			return fmt.Errorf("PUT of %d bytes: %w", size, err)
		}
		head, err := s.HeadObjectWithContext(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("small")})
		if err != nil {
			return err
		}
		if err := lane.First(
			same(ctx, s, bucket, "small", data),
			lane.Equal("ETag of HEAD and PUT", *head.ETag, *made.ETag),
			lane.Equal("metadata", aws.StringValue(head.Metadata["Lane"]), "value"),
		); err != nil {
			return err
		}
	}
	return nil
}

func empty(ctx context.Context, bucket string) error {
	s := client(nil)
	if _, err := put(ctx, s, bucket, "empty", nil); err != nil {
		return err
	}
	if _, err := s3manager.NewUploaderWithClient(s).UploadWithContext(ctx, &s3manager.UploadInput{
		Bucket: &bucket, Key: aws.String("stream"), Body: lane.Stream(nil),
	}); err != nil {
		return err
	}
	return lane.First(same(ctx, s, bucket, "empty", nil), same(ctx, s, bucket, "stream", nil))
}

func multipart(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(2*5*lane.MiB + 12_345)
	key := "large"
	if _, err := s3manager.NewUploaderWithClient(s).UploadWithContext(ctx, &s3manager.UploadInput{
		Bucket: &bucket, Key: &key, Body: lane.Stream(data),
	}); err != nil {
		return err
	}
	buffer := aws.NewWriteAtBuffer(nil)
	if _, err := s3manager.NewDownloaderWithClient(s).DownloadWithContext(ctx, buffer, &s3.GetObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		return err
	}
	if !bytes.Equal(buffer.Bytes(), data) {
		return fmt.Errorf("the Downloader's bytes differ")
	}
	part, err := s.GetObjectWithContext(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, PartNumber: aws.Int64(2)})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Same("part 2", part.Body, data[5*lane.MiB:2*5*lane.MiB]),
		same(ctx, s, bucket, key, data),
	)
}

func ranges(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(3*lane.Segment + 7)
	if _, err := put(ctx, s, bucket, "range", data); err != nil {
		return err
	}
	get := func(bytes string) (*s3.GetObjectOutput, error) {
		return s.GetObjectWithContext(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("range"), Range: &bytes})
	}
	for bytes, want := range map[string][]byte{
		"bytes=0-0": data[:1], "bytes=65535-65536": data[65535:65537], "bytes=100-": data[100:],
		"bytes=-70000": data[len(data)-70000:], "bytes=5-99999999": data[5:],
	} {
		got, err := get(bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", bytes, err)
		}
		if err := lane.Same(bytes, got.Body, want); err != nil {
			return err
		}
	}
	_, err := get(fmt.Sprintf("bytes=%d-", len(data)))
	return lane.Failing("a range behind the end", err, code, "InvalidRange")
}

func list(ctx context.Context, bucket string) error {
	s := client(nil)
	for index, name := range lane.Names {
		if _, err := put(ctx, s, bucket, name, lane.Random(index*1000)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	old, new := map[string]int64{}, map[string]int64{}
	remember := func(sizes map[string]int64, objects []*s3.Object) {
		for _, object := range objects {
			sizes[*object.Key] = *object.Size
		}
	}
	if err := s.ListObjectsPagesWithContext(ctx, &s3.ListObjectsInput{Bucket: &bucket, MaxKeys: aws.Int64(3)},
		func(page *s3.ListObjectsOutput, _ bool) bool { remember(old, page.Contents); return true }); err != nil {
		return err
	}
	if err := s.ListObjectsV2PagesWithContext(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int64(3)},
		func(page *s3.ListObjectsV2Output, _ bool) bool { remember(new, page.Contents); return true }); err != nil {
		return err
	}
	for index, name := range lane.Names {
		for version, sizes := range []map[string]int64{old, new} {
			size, there := sizes[name]
			if !there || size != int64(index*1000) || len(sizes) != len(lane.Names) {
				return fmt.Errorf("LIST V%d: %d names, %q has %d bytes, want %d", version+1, len(sizes), name, size, index*1000)
			}
		}
	}
	return nil
}

func copies(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(2*lane.Segment + 5)
	key := "source +é"
	made, err := put(ctx, s, bucket, key, data)
	if err != nil {
		return err
	}
	source := bucket + "/" + url.QueryEscape(key)
	if _, err := s.CopyObjectWithContext(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: aws.String("copy"), CopySource: &source, CopySourceIfMatch: made.ETag,
	}); err != nil {
		return err
	}
	if _, err := s.CopyObjectWithContext(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: &key, CopySource: &source,
		MetadataDirective: aws.String("REPLACE"), Metadata: map[string]*string{"Mtime": aws.String("now")},
	}); err != nil {
		return err
	}
	head, err := s.HeadObjectWithContext(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Equal("metadata", aws.StringValue(head.Metadata["Mtime"]), "now"),
		same(ctx, s, bucket, "copy", data),
		same(ctx, s, bucket, key, data),
	)
}

func deletes(ctx context.Context, bucket string) error {
	s := client(nil)
	objects := []s3manager.BatchDeleteObject{}
	for index, name := range lane.Names {
		if _, err := put(ctx, s, bucket, name, lane.Random(index)); err != nil {
			return err
		}
		objects = append(objects, s3manager.BatchDeleteObject{Object: &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(name)}})
	}
	if err := s3manager.NewBatchDeleteWithClient(s).Delete(ctx, &s3manager.DeleteObjectsIterator{Objects: objects}); err != nil {
		return err
	}
	left, err := s.ListObjectsV2WithContext(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return err
	}
	return lane.Equal("left", len(left.Contents), 0)
}

func conditional(ctx context.Context, bucket string) error {
	s := client(nil)
	made, err := put(ctx, s, bucket, "lock", lane.Random(1000))
	if err != nil {
		return err
	}
	read := func(match, noneMatch *string) error {
		_, err := s.GetObjectWithContext(ctx, &s3.GetObjectInput{
			Bucket: &bucket, Key: aws.String("lock"), IfMatch: match, IfNoneMatch: noneMatch,
		})
		return err
	}
	other := aws.String(`"00000000000000000000000000000000"`)
	return lane.First(
		read(made.ETag, other),
		lane.Failing("GET If-Match of another", read(other, nil), code, "PreconditionFailed"),
		lane.Failing("GET If-None-Match", read(nil, made.ETag), code, "NotModified"),
	)
}

// Content-MD5 is made by the SDK, and one that does not fit is refused with nothing stored.
func checksums(ctx context.Context, bucket string) error {
	wire := &lane.Wire{}
	s := client(wire)
	data := lane.Random(lane.Segment + 3)
	sum := md5.Sum(data)
	if _, err := put(ctx, s, bucket, "right", data); err != nil {
		return err
	}
	_, wrong := s.PutObjectWithContext(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("wrong"), Body: bytes.NewReader(data), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg=="),
	})
	_, missing := s.HeadObjectWithContext(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("wrong")})
	return lane.First(
		wire.Sent("PUT", "Content-Md5", base64.StdEncoding.EncodeToString(sum[:])),
		lane.Failing("a wrong MD5", wrong, code, "BadDigest"),
		lane.Failing("the object of a wrong MD5", missing, code, "NotFound"),
		same(ctx, s, bucket, "right", data),
	)
}

// Some releases of the SDK ask for an MD5 behind the body (`x-amz-te`), and so is the newest made to here. A gateway that
// handed this on would get 16 bytes of the ciphertext's MD5 from S3 behind the ciphertext.
func special(ctx context.Context, bucket string) error {
	wire := &lane.Wire{}
	s := client(wire)
	s.Handlers.Build.PushBack(func(r *request.Request) {
		if r.Operation.Name == "GetObject" {
			r.HTTPRequest.Header.Set("X-Amz-Te", "append-md5")
		}
	})
	for _, size := range lane.Sizes {
		data := lane.Random(size)
		if _, err := put(ctx, s, bucket, "te", data); err != nil {
			return err
		}
		if err := same(ctx, s, bucket, "te", data); err != nil {
			return err
		}
	}
	return lane.First(wire.Sent("GET", "X-Amz-Te", "append-md5"), wire.Never("X-Amz-Transfer-Encoding"))
}
