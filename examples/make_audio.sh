#!/usr/bin/env bash
# Makes examples/audio again. Needs the Debian packages flite (the voices) and ffmpeg (the formats).
set -euo pipefail
cd "$(dirname "$0")/audio"

say() { # voice, text, file, arguments of ffmpeg
    local voice=$1 text=$2 file=$3
    shift 3
    mkdir -p "$(dirname "$file")"
    flite -voice "$voice" -t "$text" -o "/tmp/asyncscribe-$$.wav"
    # Bit-exact, so that the same versions make the same files.
    ffmpeg -loglevel error -y -i "/tmp/asyncscribe-$$.wav" -map_metadata -1 -fflags +bitexact -flags +bitexact "$@" "$file"
    rm "/tmp/asyncscribe-$$.wav"
}

say rms "please call the office before noon and ask for the new report" office.wav -ar 16000
say awb "the weather will be fine tomorrow with some rain in the evening" weather.mp3 -ar 16000 -b:a 64k
say kal "he read the letter again before he left the house" "meetings/the letter.flac" -ar 16000
say slt "the train to the city leaves at seven in the morning" meetings/train.ogg -ar 16000 -c:a libvorbis -q:a 5
say rms "she opened the door and walked into the garden" stories/garden.m4a -ar 16000 -c:a aac -b:a 64k
say awb "once upon a time there was a man who had three sons" stories/sons.mp3 -ar 16000 -b:a 64k
say rms "this is a video without a picture" video.mp4 -ar 16000 -c:a aac -b:a 64k

# Named like a recording, but not one: the service fails its job.
mkdir -p ../broken
printf 'This is a shopping list: milk, bread, two lemons.\n' > "../broken/shopping list.mp3"
